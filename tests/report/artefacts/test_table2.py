from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.report.artefacts.made import given, judged, metrics, rows
from zfpipe.report.artefacts import table2
from zfpipe.report.engine import networks
from zfpipe.report.engine.claims import Given, Unmeasurable
from zfpipe.sections import Run

RUNS = {"zfnet": Run(base="model", seed=0, snapshots=(1, 2)), "alexnet": Run(base="alexnet", seed=0)}
SEEDS = {f"zfnet-seed{seed}": Run(base="model", seed=seed) for seed in (1, 2)}
ERRORS = {"zfnet": (0.1, 0.20), "zfnet-seed1": (0.1, 0.22), "zfnet-seed2": (0.1, 0.24), "alexnet": (0.3, 0.405)}
NOTHING = "–"
ROWS = (("1 convnet", ""), ("5 convnets", " – (a)"))


def ensembles(effect: float) -> dict[str, Any]:
    gain = {"gain_top1": effect, "gain_top1_low": effect - 0.01, "gain_top1_high": effect + 0.01}
    found = metrics(ERRORS, {"zfnet-five": 0.1, "zfnet-six": 0.3})
    return found | {"ensembles.json": {name: entry | gain for name, entry in found["ensembles.json"].items()}}


def test_each_row_has_our_run_or_says_why_not() -> None:
    filled = table2.table(metrics(ERRORS, {"zfnet-six": 0.3}), RUNS)
    found = rows(filled)
    ours = "Our replication of (Krizhevsky et al., 2012), 1 convnet"
    assert found[ours] == ["40.5", "40.5", "+0.0", "18.1", "20.2", "+2.1", NOTHING, "not available"]
    assert found["1 convnet as per Fig. 3"][:3] == ["38.4", "20.0", "−18.4"]
    assert found["6 convnets, (a) & (b) combined"][:6] == ["36.0", "30.0", "−6.0", "14.7", "15.0", "+0.3"]
    not_run = ["36.7", "not run", NOTHING, "15.3", "not run", NOTHING, "15.3", "not available"]
    assert found["5 convnets as per Fig. 3 – (a)"] == not_run
    assert found["(Gunji et al., 2012)"] == [*[NOTHING] * 6, "26.2", NOTHING]
    notes = " ".join(filled.notes)
    assert "1,000 validation images of 3 classes" in notes and "up to 1.6 points" in notes  # 100 * sqrt(0.25 / 1000)
    assert "never released" in notes and "Not run: " in notes and "seed alone" not in notes


def test_a_network_trained_elsewhere_is_no_row_and_in_no_difference() -> None:
    data = metrics(ERRORS, {"zfnet-five": 0.1})
    data["ensembles.json"]["zfnet-five"]["runs"] = ["zfnet", "zfnet-seed1"]
    filled = table2.table(data, {"alexnet": RUNS["alexnet"]})
    assert {rows(filled)[f"{words} as per Fig. 3{more}"][1] for words, more in ROWS} == {"not run"}
    assert rows(filled)["Our replication of (Krizhevsky et al., 2012), 1 convnet"][1] == "40.5"
    assert "Not run: params.yaml has no run or ensemble of such networks, trained here." in filled.notes
    [left_out] = table2.differences(data, given(RUNS | SEEDS, elsewhere=True))
    assert np.isnan(left_out.value)
    nothing = table2.table(data, {})
    assert rows(nothing)["1 convnet as per Fig. 3"][1] == "not run"


def test_seeds_are_a_mean_with_half_of_its_interval() -> None:
    unclipped = {"zfnet-unclipped": Run(base="model", seed=2, edit={"renorm_radius": None})}
    filled = table2.table(metrics(ERRORS | {"zfnet-unclipped": (0.9, 0.9)}), RUNS | SEEDS | unclipped)
    half = stats.t.ppf(0.975, 2) * 2 / 3**0.5  # the deviation of 20, 22 and 24 is 2
    assert rows(filled)["1 convnet as per Fig. 3"][1:3] == [f"22.0 ± {half:.1f}", "−16.4"]
    assert any("mean of 3 networks that differ in the seed alone" in note for note in filled.notes)
    records = filled.records().query("run == 'zfnet' and column == 'Val Top-1'")
    assert records[["n", "over"]].to_numpy().tolist() == [[3, "seeds"]]
    assert records["high"].tolist() == pytest.approx([22 + half])


def test_networks_scatter_as_the_seeds_of_one_do() -> None:
    [found] = table2.differences(metrics(ERRORS, {"zfnet-five": 0.1}), given(RUNS | SEEDS))
    half = stats.t.ppf(0.975, 2) * 2 * (1 + 1 / 3) ** 0.5
    assert (found.value, found.low, found.high) == pytest.approx((18.5, 18.5 - half, 18.5 + half))
    assert found.published == pytest.approx(2.1) and found.count == "3 seeds"
    [claimed] = table2.CLAIMS[0].measure(metrics(ERRORS), given(RUNS | SEEDS))
    assert (claimed.value, claimed.low, claimed.high) == (found.value, found.low, found.high)
    [alone] = table2.differences(metrics(ERRORS), given(RUNS))
    assert (alone.value, alone.low, alone.count) == (pytest.approx(20.5), None, "one seed: no interval")
    [left_out] = table2.differences(metrics(ERRORS), given({"zfnet": RUNS["zfnet"]}))
    assert np.isnan(left_out.value) and left_out.published == pytest.approx(2.1)


def test_each_group_of_seeds_counts_once() -> None:
    both = {"alexnet": Run(base="alexnet", seed=0), "alexnet-seed1": Run(base="alexnet", seed=1)}
    data = metrics(ERRORS | {"alexnet": (0.3, 0.3), "alexnet-seed1": (0.3, 0.4)})
    groups = networks.measured(data, RUNS | SEEDS | both)
    half, seeds = networks.scatter({run: networks.error(group) for run, group in groups.items()})
    assert seeds == 5 and half == pytest.approx(stats.t.ppf(0.975, 3) * ((4 * 2 + 50) / 3) ** 0.5)


@pytest.mark.parametrize(
    ("alexnet", "verdict"), [(0.325, "holds"), (0.315, "undecided"), (0.125, "undecided"), (0.115, "does not hold")]
)
def test_the_claim_on_the_architecture_needs_the_whole_interval(alexnet: float, verdict: str) -> None:
    data = metrics(ERRORS | {"alexnet": (0.1, alexnet)})
    assert judged(table2, "architecture", data, given(RUNS | SEEDS))[0] == verdict


@pytest.mark.parametrize(("effect", "verdict"), [(0.02, "holds"), (-0.02, "does not hold"), (0.005, "undecided")])
def test_claims_on_several_networks(effect: float, verdict: str) -> None:
    everything = Given(RUNS, {"zfnet-five": (), "zfnet-six": ()}, given(RUNS).targets, False)
    for claim, published in (("five-together", 38.4 - 36.7), ("six-together", (5 * 38.4 + 37.5) / 6 - 36.0)):
        found, measure = judged(table2, claim, ensembles(effect), everything)
        assert found == verdict and measure.published == pytest.approx(published)
        assert measure.value == pytest.approx(100 * effect) and measure.count == "1,000 images, 2 networks"


def test_claims_need_networks_that_were_trained_here() -> None:
    with pytest.raises(Unmeasurable, match=r"no run alexnet$"):
        judged(table2, "architecture", metrics(ERRORS), given(SEEDS | {"zfnet": RUNS["zfnet"]}))
    with pytest.raises(Unmeasurable, match=r"model\.source"):
        judged(table2, "architecture", metrics(ERRORS), given(RUNS, elsewhere=True))
    with pytest.raises(Unmeasurable, match="no ensemble zfnet-six"):
        judged(table2, "six-together", ensembles(0.1), given(RUNS))
