from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.imports import ROOT
from tests.report.artefacts.layout import faults, words
from tests.report.artefacts.made import given
from zfpipe import params, store, unavailable
from zfpipe.probes.filters import measured
from zfpipe.report import ledger
from zfpipe.report.artefacts import fig6
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Folder
from zfpipe.report.engine.claims import Unmeasurable
from zfpipe.sections import Run

DRAWING = style.Drawing(99.5, 128)
RUNS = {
    "zfnet-unclipped": Run(base="model", seed=0, edit={"renorm_radius": None}),
    "zfnet": Run(base="model", seed=0, snapshots=(1, 2)),
    "zfnet-seed1": Run(base="model", seed=1),
    "zfnet-seed2": Run(base="model", seed=2),
    "alexnet": Run(base="alexnet", seed=0),
    "alexnet-seed1": Run(base="alexnet", seed=1),
    "alexnet-no34": Run(base="alexnet", seed=0, edit={"drop": [3, 4]}),
}
GIVEN = given(RUNS)
SINGLE = given({run: RUNS[run] for run in fig6.LAYER1})
SCATTER = {"zfnet": -1, "zfnet-seed1": 1, "zfnet-seed2": 0, "alexnet": -1, "alexnet-seed1": 1}
"""Differences between the networks of `world`, in units of the scatter."""


SETTINGS = params.load(ROOT / "params.yaml")


def results(count: int = 24, maps: int = 30, dead: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    arrays, numbers = {}, {}
    for run, size, side, stride in (("zfnet-unclipped", 7, 27, 2), ("zfnet", 7, 27, 2), ("alexnet", 11, 51, 4)):
        arrays[run] = rng.normal(0, 0.02, (count, 3, size, size)).astype(np.float32)
        arrays[f"{run} layer 2"] = rng.normal(0, 1, (maps, side, side, 3)).astype(np.float32)
        arrays[f"{run} layer 2"][:dead] = 0
        numbers[run] = {
            "rms_max": 0.04123, "dominance": 20.6, "dead": 0.125 * (run == "alexnet"), "alike": 0.15, "low": 0.2,
            "middle": 0.3, "high": 0.5, "aliasing": 1.25, "filter_size": size, "stride": stride,
            "renorm_radius": None if run == "zfnet-unclipped" else 0.1,
        }  # fmt: skip
    numbers = {run: numbers[run.partition("-seed")[0]] for run in measured(SETTINGS.runs)}
    numbers["untrained"] = {run: numbers[run] | {"alike": 0.25} for run in ("zfnet", "alexnet")}
    return {"filters.safetensors": arrays, "filters.json": numbers}


def world(effect: float, scatter: float = 0.01) -> dict[str, Any]:
    """Return numbers that lie `effect` on the claimed side of those of untrained networks.

    Seeds scatter around them.
    """

    def network(run: str, sign: float) -> dict[str, float | None]:
        """Return a network's numbers.

        A `sign` of 1 means more dead filters, likeness and aliasing, and fewer middle frequencies.
        """
        noise = scatter * SCATTER.get(run, 0)
        numbers = {"dead": 0.4, "alike": 0.3, "middle": 0.3, "aliasing": 1.5, "dominance": 4.0}
        found: dict[str, float | None] = {name: value + noise for name, value in numbers.items()}
        for name, way in (("dead", 1), ("alike", 1), ("middle", -1), ("aliasing", 1)):
            found[name] = numbers[name] + way * sign * effect / 2 + noise
        return found

    kinds = {"zfnet": -1, "alexnet": 1, "alexnet-no34": 9, "zfnet-unclipped": 0}
    numbers: dict[str, Any] = {run: network(run, kinds[run.partition("-seed")[0]]) for run in RUNS}
    numbers["untrained"] = {run: network("", 0) for run in ("zfnet", "alexnet")}
    numbers["zfnet-unclipped"]["dominance"] = 4.0 * (1 + effect)
    return {"filters.json": numbers}


def verdicts(data: Any, given: Any = GIVEN) -> dict[str, str]:
    return {claim.id: ledger.judged(claim, data, given)[0]["verdict"] for claim in fig6.CLAIMS}


def measured_of(claim: str, data: Any, given: Any = GIVEN) -> Any:
    [found] = [one.measure(data, given) for one in fig6.CLAIMS if one.id == claim]
    return found[0]


@pytest.mark.parametrize(("count", "maps", "dead"), [(24, 64, 0), (96, 256, 3), (7, 400, 1), (1, 1, 1)])
def test_everything_fits_and_can_be_read(count: int, maps: int, dead: int) -> None:
    with style.context():
        figure = fig6.draw(results(count, maps, dead), DRAWING)
    assert faults(figure) == []
    assert len(figure.findobj(tiles.Placed)) == 5


def test_the_numbers_stand_below_each_network() -> None:
    with style.context():
        found = "\n".join(text.get_text() for text in words(fig6.draw(results(), DRAWING)))
    assert found.count("24 filters of 7 × 7, stride 2") == 2 and "24 filters of 11 × 11, stride 4" in found
    assert "RMS not clipped; largest 0.0412" in found and found.count("RMS clipped at 0.1; largest 0.0412") == 2
    assert found.count("largest RMS 20.6 times the median") == 3
    assert found.count("12% of the filters are dead") == 1 and found.count("no dead filters") == 2
    assert found.count("low / middle / high frequencies: 20% / 30% / 50%") == 3
    assert "30 of 30 maps, 27 × 27 pixels each; 1 dead" in found
    assert "aliasing at the stride of layer 1, 4 pixels: 1.25" in found


def test_the_table_and_the_words_say_the_same() -> None:
    shown = fig6.details(results())
    rows = [dict(zip(shown.columns, row, strict=True)) for row in shown.rows]
    assert [row["RMS clipped at"] for row in rows[:3]] == ["not clipped", "0.1", "0.1"]
    assert rows[1]["Network"] == "(b) AlexNet, our replication" and rows[1]["Dead"] == "12%"
    assert [row["Network"] for row in rows[3:]] == ["(c) Ours, untrained", "(b) AlexNet, our replication, untrained"]
    assert rows[3]["Two maps' correlation"] == "0.25"
    assert "(c) Ours has a largest RMS 20.6 times the median." in fig6.alternative(results())


def test_each_panel_is_scaled_by_its_largest_weight() -> None:
    weights = np.zeros((4, 3, 7, 7), np.float32)
    weights[1, 2, 6, 0], weights[2, 0, 0, 6] = -8, 2
    pixels = fig6.weights(weights)
    side = (pixels.shape[1] - 2 * tiles.GAP) // 3
    assert side % 7 == 0
    dominating, weak = pixels[:side, side + 2 : 2 * side + 2], pixels[:side, 2 * side + 4 :]
    assert dominating[-1, 0].tolist() == [128, 128, 1]
    assert weak[0, -1].tolist() == [160, 128, 128]
    assert (fig6.weights(np.zeros((4, 3, 7, 7), np.float32))[:side, :side] == tiles.GREY).all()


def test_only_dead_maps_are_hatched_and_no_pixel_is_resampled() -> None:
    maps = np.random.default_rng(2).normal(0, 1, (4, 27, 27, 3))
    maps[2] = 0
    pixels = fig6.projections(maps, 99.0)
    side = (len(pixels) - tiles.GAP) // 2
    assert side % 27 == 0
    below = pixels[-side:]
    assert set(np.unique(below[:, :side])) == {tiles.HATCH, tiles.PAPER}
    expected = tiles.contrast(maps[3], np.ones((27, 27), bool), 99.0)
    assert (below[:, -side:] == expected.repeat(side // 27, 0).repeat(side // 27, 1)).all()


def test_claims_hold_if_an_effect_is_planted() -> None:
    assert verdicts(world(0.5)) == dict.fromkeys((claim.id for claim in fig6.CLAIMS), "holds")


def test_claims_fail_if_the_effect_is_reversed_and_need_their_premises() -> None:
    turned = dict.fromkeys((claim.id for claim in fig6.CLAIMS), "does not hold")
    without = turned | dict.fromkeys(("renormalisation", "aliasing-removed"), "not measurable here")
    assert verdicts(world(-0.6)) == without | {"dominance": "does not hold"}
    assert verdicts(world(-0.4))["dominance"] == "holds", (
        "the dominance is 2.4 times the median, though the clipped network has more"
    )
    assert verdicts(world(-0.4))["renormalisation"] == "does not hold"
    stronger = world(0.5)
    for run in ("zfnet", "zfnet-seed1", "zfnet-seed2"):
        stronger["filters.json"][run]["aliasing"] = 3.0
    assert verdicts(stronger)["aliasing-removed"] == "does not hold"
    [claim] = [claim for claim in fig6.CLAIMS if claim.id == "aliasing-removed"]
    reason = ledger.judged(claim, world(-0.4), GIVEN)[0]["reason"]
    assert reason.startswith("it is not shown that AlexNet's layer 2 has more aliasing than untrained: 0.87 (")


@pytest.mark.parametrize("scatter", [0.01, 0.0])
def test_networks_like_untrained_ones_never_hold(scatter: float) -> None:
    """The verdicts are the same if all numbers are equal and the interval has no width."""
    found = verdicts(world(0.0, scatter))
    assert found.pop("dominance") == "holds", "the dominance is four times the median, clipped or not"
    assert found.pop("aliasing-removed") == "not measurable here", "there is nothing to remove"
    assert set(found.values()) == {"undecided"}


def test_effects_of_size_and_stride_alone_do_not_count() -> None:
    data = world(0.5)
    for run in ("zfnet", "alexnet"):
        data["filters.json"]["untrained"][run] = data["filters.json"][run]
    found = verdicts(data)
    assert found["dead"] == "holds" and found["aliasing-removed"] == "not measurable here"
    assert {found[name] for name in ("distinct", "frequencies", "aliasing")} == {"undecided"}


def test_numbers_and_intervals_equal_those_worked_out_by_hand() -> None:
    data = world(0.5, 0.02)
    half = stats.t.ppf(0.975, 3) * ((2 + 2) * 0.02**2 / 3) ** 0.5
    dead = measured_of("dead", data)
    wide = half * (1 / 3 + 1 / 2) ** 0.5
    assert (dead.value, dead.low, dead.high) == pytest.approx((0.5, 0.5 - wide, 0.5 + wide))
    assert dead.count == "5 seeds"
    for name in ("distinct", "frequencies"):
        found, wide = measured_of(name, data), half * (1 / 3 + 1 / 2 + 2) ** 0.5
        assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - wide, 0.5 + wide))
    numbers = data["filters.json"]

    def log(name: str, *runs: str) -> np.ndarray:
        return np.log([numbers[run][name] for run in runs])

    squares, groups = 0.0, (("zfnet", "zfnet-seed1", "zfnet-seed2"), ("alexnet", "alexnet-seed1"))
    for group in groups:
        squares += ((log("aliasing", *group) - log("aliasing", *group).mean()) ** 2).sum()
    wide = stats.t.ppf(0.975, 3) * (squares / 3) ** 0.5 * 1.5**0.5
    middle = log("aliasing", *groups[1]).mean() - np.log(1.5)
    found = measured_of("aliasing", data)
    assert (found.value, found.low, found.high) == pytest.approx(tuple(np.exp([middle, middle - wide, middle + wide])))
    found = measured_of("renormalisation", data)
    assert found.value == pytest.approx(np.exp(np.log(6) - log("dominance", *groups[0]).mean()))
    assert measured_of("dominance", data).value == pytest.approx(6)


def test_one_seed_of_everything_leaves_all_undecided() -> None:
    found = verdicts(world(0.5), SINGLE)
    without = dict.fromkeys(("renormalisation", "aliasing-removed"), "not measurable here")
    assert found == dict.fromkeys(found, "undecided") | without
    assert measured_of("distinct", world(0.5), SINGLE).count == "one seed: no interval"


def test_the_runs_measured_are_those_that_are_compared() -> None:
    assert measured(RUNS) == [run for run in RUNS if run != "alexnet-no34"], (
        "no run of another architecture may be measured"
    )
    assert set(measured(SINGLE.runs)) == set(SINGLE.runs)
    fewer = {run: entry for run, entry in SETTINGS.runs.items() if "seed" not in run}
    assert measured(fewer) == ["zfnet-unclipped", "zfnet", "alexnet"], "runs without other seeds must be measured"


def test_claims_that_can_not_be_measured_say_why(tmp_path: Path) -> None:
    store.save(tmp_path / unavailable.NAME, "a reason\n")
    for claim in fig6.CLAIMS:
        with pytest.raises(Unmeasurable, match="a reason"):
            claim.measure(Folder(tmp_path, "filters"), GIVEN)
    data = world(0.5)
    data["filters.json"]["zfnet-seed1"]["alike"] = None
    with pytest.raises(Unmeasurable, match=r"fewer than two filters of layer 1 answer \(zfnet\)"):
        measured_of("distinct", data)
    data["filters.json"]["untrained"]["alexnet"]["aliasing"] = 0.0
    with pytest.raises(Unmeasurable, match="division by 0"):
        measured_of("aliasing", data)
    assert measured_of("dominance", data).low is not None
    with pytest.raises(Unmeasurable, match="no run zfnet-unclipped"):
        measured_of("dominance", data, given({"zfnet": RUNS["zfnet"]}))
