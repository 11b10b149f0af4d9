from typing import Any

import numpy as np
import pandas as pd
import pytest

from zfpipe.probes import features as probe
from zfpipe.probes import intervals
from zfpipe.report.artefacts import features
from zfpipe.report.engine.claims import Unmeasurable, judge

GIVEN: Any = None
MAPS = 24
EFFECTS = {1: "holds", -1: "does not hold", 0: "undecided"}
NOTHING = pd.DataFrame(columns=["layer", "map", "projections", "patches", "gap", "fine", "others", "purity", "settled"])


def world(effect: int) -> dict[str, Any]:
    """Return results in which every claim holds (1), does not hold (-1) or stays undecided (0); one map is dead.

    Without the untrained network, every claim would hold.
    """
    maps = of_network(effect, 1)
    maps.loc[0, ["projections", "gap", "fine", "purity", "settled"]] = np.nan
    return {"maps.csv": maps, "layers.csv": probe.summary(maps), "untrained.csv": of_network(0, 2)}


def of_network(effect: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for layer in (1, 2, 3, 4, 5):
        for number in range(MAPS):
            noise = rng.normal(0, 0.05, 3)
            rows.append(
                {"layer": layer, "map": number, "projections": 0.8 + 0.2 * effect + noise[0], "others": 0.5,
                 "patches": 0.1, "gap": 0.7, "fine": 0.4 + 0.3 * effect + noise[1],
                 "purity": 0.5 + 0.04 * (1.5 + effect) * (layer - 3) + noise[2],
                 "settled": 3.0 + effect * (layer - 3) / 2 + rng.integers(-1, 2)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def layers(**settled: float) -> dict[str, Any]:
    rows = [
        {"layer": layer, "measure": name, "value": -0.004, "low": -0.1, "high": 0.25, "maps": count}
        for layer, count in ((1, 9), (7, 0)) for name in features.COLUMNS if name != "settled"
    ]  # fmt: skip
    rows.append({"layer": 1, "measure": "settled", "maps": 9} | settled)
    rows.append({"layer": 7, "measure": "settled", "maps": 0})
    return {"layers.csv": pd.DataFrame(rows, columns=["layer", "measure", "value", "low", "high", "maps"])}


def test_the_table_has_a_row_for_each_layer() -> None:
    shown = features.details(layers(value=3, low=2, high=float("nan")))
    assert shown.columns == (
        "", "Projections alike", "Patches alike", "Difference", "Difference, fine", "Projections of two maps alike",
        "Same class", "Find a part", "Find a class", "Find an eye", "Settled at epoch",
    )  # fmt: skip
    assert list(shown.rows) == [
        ("Layer 1", *["0.00 (−0.10 to 0.25)"] * 9, "3 (2 to never)"),
        ("Layer 7", *["not available"] * 10),
    ]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((7.0, 7.0, 7.0), "7 (7 to 7)"),
        ((120.0, 60.0, 130.0), "120 (60 to 130)"),
        ((2.5, 2.0, 3.0), "2.5 (2.0 to 3.0)"),
        ((float("nan"), 2.0, float("nan")), "never (2 to never)"),
    ],
)
def test_epochs_are_whole_or_halves_or_never(ends: tuple[float, ...], expected: str) -> None:
    data = layers(**dict(zip(("value", "low", "high"), ends, strict=True)))
    assert features.details(data).rows[0][-1] == expected


def test_the_table_has_its_place_and_stage() -> None:
    assert features.ARTEFACT.anchor == "features" and features.ARTEFACT.kind == "Section"
    assert features.ARTEFACT.data().stage == "features"


@pytest.mark.parametrize("effect", EFFECTS)
def test_claims_turn_with_what_is_measured(effect: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    data = world(effect)
    found = {claim.id: judge(claim.rule, claim.measure(data, GIVEN)) for claim in features.CLAIMS}
    assert {name: verdict for name, (verdict, _) in found.items()} == dict.fromkeys(found, EFFECTS[effect])
    assert found["specificity"][1].count == "119 maps of 5 layers"
    assert [one.part for one in features.grouping(data, GIVEN)] == ["layer 2", "layer 3", "layer 4", "layer 5"]
    assert features.grouping(data, GIVEN)[0].count == "24 maps of layer 2"


def test_claims_are_the_tables_numbers_minus_the_untrained_networks() -> None:
    data = world(1)
    untrained = {"layers.csv": probe.summary(data["untrained.csv"])}
    for claim, plus, minus in ((features.variety, "fine", None), (features.grouping, "projections", "others")):
        for layer, found in enumerate(claim(data, GIVEN), start=2):
            one, other = (
                features.measured(of, layer, plus).value - (features.measured(of, layer, minus).value if minus else 0)
                for of in (data, untrained)
            )
            assert found.value == pytest.approx(one - other)
    lines = [
        np.polyfit([1, 2, 3, 4, 5], [features.measured(of, layer, "purity").value for layer in range(1, 6)], 1)[0]
        for of in (data, untrained)
    ]
    assert features.specificity(data, GIVEN)[0].value == pytest.approx(lines[0] - lines[1])


def test_intervals_resample_both_groups_independently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 50)
    data, rng, means = world(1), np.random.default_rng(0), []
    one, other = ([row["fine"] for row in data[name].query("layer == 2").to_dict("records")]
                  for name in ("maps.csv", "untrained.csv"))  # fmt: skip
    for _ in range(50):
        drawn = [[group[place] for place in rng.integers(0, MAPS, MAPS)] for group in (one, other)]
        means.append(sum(drawn[0]) / MAPS - sum(drawn[1]) / MAPS)
    found = features.variety(data, GIVEN)[0]
    assert (found.low, found.high) == pytest.approx(np.quantile(means, (0.025, 0.975), method="nearest"))


def test_an_untrained_network_does_not_hold_against_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    maps = world(1)["untrained.csv"]
    for claim in features.CLAIMS:
        measures = claim.measure({"maps.csv": maps, "untrained.csv": maps}, GIVEN)
        assert [one.value for one in measures] == [0] * len(measures)
        assert judge(claim.rule, measures)[0] == "undecided"


def test_the_slope_equals_polyfit() -> None:
    rng = np.random.default_rng(2)
    layers, groups = np.array([1.0, 2, 3, 4, 5]), [rng.normal(0, 1, count) for count in (4, 7, 2, 9, 5)]
    line = np.polyfit(layers, [group.mean() for group in groups], 1)
    assert features.slope(layers, groups) == pytest.approx(line[0])


def test_one_map_of_a_layer_gives_no_verdict() -> None:
    data = world(1)
    for name in ("maps.csv", "untrained.csv"):
        fewer = data | {name: data[name].query("layer == 1 or map == 3")}
        for claim in features.CLAIMS[:2]:
            verdict, found = judge(claim.rule, claim.measure(fewer, GIVEN))
            assert verdict == "undecided" and found.count.startswith("one map of layer")


def test_claims_that_can_not_be_measured_say_why() -> None:
    data = world(1)
    lowest = data["maps.csv"].query("layer == 1")
    for less in ({"maps.csv": NOTHING}, {"maps.csv": lowest}, {"untrained.csv": NOTHING}):
        for claim, reason in zip(features.CLAIMS, ("no map above", "no map above", "maps of two layers"), strict=True):
            with pytest.raises(Unmeasurable, match=reason):
                claim.measure(data | less, GIVEN)
    fewer = data | {"untrained.csv": data["untrained.csv"].query("layer != 3")}
    for claim in features.CLAIMS:
        with pytest.raises(Unmeasurable, match="in layer 3 no map of the untrained network"):
            claim.measure(fewer, GIVEN)
