import pandas as pd
import pytest

from zfpipe.report.plotting import agreement


def rows(layer: int, number: int, classes: list[str], activations: list[float] | None = None) -> pd.DataFrame:
    strengths = activations or [9.0 - rank for rank in range(len(classes))]
    return pd.DataFrame(
        {"layer": layer, "map": number, "rank": range(len(classes)), "class": classes, "activation": strengths}
    )


@pytest.mark.parametrize(
    ("classes", "activations", "expected"),
    [
        (["a", "b", "b"], None, ("b", 2, 3)),
        (["b", "a", "a", "b"], None, ("b", 2, 4)),  # as frequent: the stronger one
        (["a", "b", "b"], [3.0, 0.0, 0.0], ("a", 1, 1)),
        (["a", "b"], [0.0, 0.0], ("", 0, 0)),
    ],
)
def test_tally(classes: list[str], activations: list[float] | None, expected: tuple[str, int, int]) -> None:
    shuffled = rows(1, 0, classes, activations).sample(frac=1, random_state=1)
    assert agreement.tally(shuffled) == expected


def test_summary_tells_layers_the_best_map_and_dead_ones() -> None:
    table = pd.concat(
        [rows(1, 4, ["a", "b", "c"]), rows(5, 1, ["a", "b", "a"]), rows(5, 8, ["c"] * 3), rows(5, 9, ["c"], [0.0])]
    )
    words = agreement.summary(table)
    assert "1 maps of layer 1, 3 maps of layer 5" in words
    assert "in map 8: 3 of its 3 strongest images show c" in words
    assert "1 of the 4 maps never fire" in words
    assert agreement.maps(table)[-1] == (5, 9, agreement.DEAD)


def test_a_summary_of_dead_maps_names_no_class() -> None:
    assert "agree" not in agreement.summary(rows(1, 0, ["a", "b"], [0.0, 0.0]))


def test_long_names_are_shortened() -> None:
    assert agreement.shortened("abcdef", 6) == "abcdef"
    assert agreement.shortened("abc defg", 5) == "abc…"
