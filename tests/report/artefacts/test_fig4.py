from math import inf, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults, words
from zfpipe.probes import intervals
from zfpipe.report.artefacts import fig4
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.claims import Given, Unmeasurable, judge
from zfpipe.sections import Targets

FIELDS = {1: 7, 2: 27, 3: 75, 5: 139}
MAPS, EPOCHS = [0, 3, 17], [1, 2, 4, 64]
DEAD = (5, 3)
GIVEN = Given({}, {}, Targets.model_construct(), False)
ORANGE = (217, 95, 2)


def made(fields: dict[int, int] = FIELDS, maps: list[int] = MAPS, epochs: list[int] = EPOCHS) -> dict[str, Any]:
    """Return maps whose strongest image changes once, from the second snapshot to the third. One map is dead."""
    rng, rows, data = np.random.default_rng(0), [], {}
    for layer, side in fields.items():
        data[f"layer{layer}.npy"] = rng.normal(0, 1, (len(maps), len(epochs), side, side, 3))
        for name in maps:
            for place, epoch in enumerate(epochs):
                activation = 0.0 if (layer, name) == DEAD else 5.0
                rows.append({"layer": layer, "map": name, "epoch": epoch, "id": place // 2, "drawn": True,
                             "activation": activation, "x0": -2, "x1": side - 2, "y0": 3, "y1": 3 + side})  # fmt: skip
    rows.append({**rows[0], "map": 99, "drawn": False})
    settled = [
        {"layer": layer, "map": name, "epoch": nan if (layer, name) == DEAD else 4.0, "dead": (layer, name) == DEAD}
        for layer in fields
        for name in maps
    ]
    data["evolution.parquet"] = pd.DataFrame(rows).sample(frac=1, random_state=0)
    return data | {"settled.csv": pd.DataFrame(settled)}


def draw(data: dict[str, Any]) -> Figure:
    with style.context():
        return fig4.draw(data, style.Drawing(99.5, 128))


@pytest.mark.parametrize(
    "data",
    [
        made(),
        made({1: 7, 2: 27, 3: 75, 4: 107, 5: 139}, list(range(250, 255)), [1, 2, 5, 10, 20, 30, 40, 64]),
        made({2: 27}, [1], [1, 3]),
        made({5: 200}, [1000]),
    ],
)
def test_every_word_can_be_read(data: dict[str, Any]) -> None:
    assert faults(draw(data)) == []


def test_epochs_maps_and_when_they_settle_stand_beside_each_layer() -> None:
    found = [text.get_text() for text in words(draw(made()))]
    for word in (*map(str, EPOCHS), *(f"map {name}" for name in MAPS)):
        assert found.count(word) == len(FIELDS)
    assert [word for word in found if word.startswith("Layer")] == [f"Layer {layer}" for layer in FIELDS]
    assert "139 × 139 pixels each" in found and "map 99" not in found
    assert found.count("half of its maps settle by epoch 4") == 3
    assert found.count("half of its maps settle by epoch 4, 1 dead") == 1


def sheets(figure: Figure) -> list[np.ndarray]:
    found = [artist for artist in figure.findobj(tiles.Placed) if isinstance(artist, tiles.Placed)]
    return [artist.pixels[..., :3] for artist in found]


def test_bars_mark_where_the_image_changes_and_hatching_what_is_dead() -> None:
    for layer, sheet in zip(FIELDS, sheets(draw(made())), strict=True):
        size = (sheet.shape[1] + tiles.GAP) // 4 - fig4.BAR - tiles.GAP
        step = size + fig4.BAR + tiles.GAP
        orange = (sheet == ORANGE).all(2)
        assert set(np.flatnonzero(orange.any(0))) == {2 * step + offset for offset in range(2, 6)}, (
            "bars must mark the change from the second snapshot to the third"
        )
        assert orange[:, 2 * step + 3].sum() == len(MAPS) * size
        down = size + fig4.BELOW + tiles.GAP
        for place, name in enumerate(MAPS):
            tile = sheet[place * down : place * down + size, fig4.BAR : fig4.BAR + size]
            hatched = np.array_equal(tile, tiles.hatched(size, size))
            assert hatched == ((layer, name) == DEAD)


def settled(*epochs: float, dead: int = 0) -> dict[str, Any]:
    """Return maps that settle at these epochs. The last `dead` of the maps are dead."""
    gone = np.arange(len(epochs)) >= len(epochs) - dead
    return {"settled.csv": pd.DataFrame({"layer": 1, "map": range(len(epochs)), "epoch": epochs, "dead": gone})}


def test_maps_are_counted_as_they_settle() -> None:
    data = settled(*[1.0] * 12, *[7.0] * 9, nan, nan, nan, dead=1)
    assert fig4.settled(data) == {1: (24, [1, 1, 7], 2, 1)}
    assert fig4.details(data).rows == [(1, 24, "1", "1", "7", 2, 1)]
    assert fig4.remark(*fig4.settled(data)[1]) == "half of its maps settle by epoch 1, 2 not before the end, 1 dead"
    mostly = settled(1.0, nan, nan, dead=2)
    assert fig4.settled(mostly)[1][1] == [1, inf, inf]
    assert fig4.remark(*fig4.settled(mostly)[1]) == "more than half of its maps are dead"
    late = settled(1.0, nan, nan, nan, dead=1)
    assert fig4.remark(*fig4.settled(late)[1]) == "2 of 4 not before the end, 1 dead"


def test_the_alternative_tells_epochs_and_layers() -> None:
    found = fig4.alternative(made())
    assert "after epochs 1, 2, 4, 64. layer 1: half of its maps settle by epoch 4;" in found


def layers(low: list[float], high: list[float], dead: int = 0) -> dict[str, Any]:
    """Return maps of layer 1, one map of layer 2, and maps of layer 5, the last `dead` of them dead."""
    epochs, numbers = low + [50.0] + high + [nan] * dead, [1] * len(low) + [2] + [5] * (len(high) + dead)
    gone = np.arange(len(epochs)) >= len(epochs) - dead
    return {"settled.csv": pd.DataFrame({"layer": numbers, "epoch": epochs, "dead": gone})}


@pytest.mark.parametrize(
    ("high", "verdict"),
    [
        ([7.0, 8.0, nan], "holds"),
        ([1.0, 2.0, 3.0], "does not hold"),
        ([4.0, 5.0, nan], "undecided"),
        ([nan, nan, nan], "holds"),
    ],
)
def test_the_claim_turns_with_when_layers_settle(
    high: list[float], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    low = [4.0, 5.0, 6.0]
    (claim,) = fig4.CLAIMS
    found, measure = judge(claim.rule, claim.measure(layers(low, high, dead=4), GIVEN))
    pairs = [np.sign((inf if np.isnan(b) else b) - a) for a in low for b in high]
    assert (found, measure.value) == (verdict, pytest.approx(np.mean(pairs)))
    assert measure.count == "3 maps of layer 5 and 3 of layer 1"


def test_maps_that_settle_in_neither_layer_before_the_end_tie() -> None:
    [measure] = fig4.convergence(layers([1.0, nan], [nan, nan]), GIVEN)
    assert measure.value == 0.5, "in half of the pairs, one map has settled and one has not"
    with pytest.raises(Unmeasurable, match="no map has settled"):
        fig4.convergence(layers([nan, nan], [nan]), GIVEN)


def test_the_claim_needs_two_layers_that_fire() -> None:
    with pytest.raises(Unmeasurable, match="two layers"):
        fig4.convergence(settled(1.0, 2.0), GIVEN)
