import dataclasses

import numpy as np
import pytest

from tests.report.artefacts.made import RUNS, given, judged, metrics, rows
from zfpipe.report import ledger
from zfpipe.report.artefacts import table2, table3
from zfpipe.report.engine.claims import Unmeasurable

EVERYTHING = given(RUNS)
SEEDS = ("zfnet", "zfnet-seed1", "zfnet-seed2", "zfnet-seed3", "zfnet-seed4")
GOOD = {"zfnet": 0.3, "zfnet-wide": 0.25, "alexnet": 0.4, "alexnet-no34": 0.41, "alexnet-no67": 0.41,
        "alexnet-no3467": 0.8}  # fmt: skip
BAD = {"zfnet": 0.4, "zfnet-wide": 0.5, "alexnet": 0.3, "alexnet-no34": 0.6, "alexnet-no67": 0.6,
       "alexnet-no3467": 0.31}  # fmt: skip


def world(effect: int) -> dict[str, object]:
    """Return errors with which every claim holds (1), does not hold (-1) or stays undecided (0)."""
    errors = {}
    for run in RUNS:
        known = GOOD if effect == 1 else BAD
        error = known.get(run, known["alexnet" if run.startswith("alexnet") else "zfnet"]) if effect else 0.3
        error *= 2 if "-fc" in run and "wide" not in run and effect == -1 else 1
        error += (SEEDS.index(run) - 2) * (0.0005 if effect else 0.03) if run in SEEDS else 0
        errors[run] = (error - 0.1 - 0.1 * effect * (run == "zfnet-wide-fc8192"), error)
    return metrics(errors)


@pytest.mark.parametrize(("effect", "verdict"), [(1, "holds"), (-1, "does not hold"), (0, "undecided")])
@pytest.mark.parametrize("claim", [claim.id for claim in table3.CLAIMS])
def test_claims_turn_with_the_errors(claim: str, effect: int, verdict: str) -> None:
    assert judged(table3, claim, world(effect), EVERYTHING)[0] == verdict


def test_rows_have_groups_and_training_errors() -> None:
    filled = table3.table(world(1), RUNS)
    assert rows(filled)["Removed layer 3,4,6,7"] == [
        "71.1", "70.0", "−1.1", "71.3", "80.0", "+8.7", "50.1", "40.0", "−10.1"
    ]  # fmt: skip
    assert [name for name, _, status in filled.body() if status == "group"] == [table3.KRIZHEVSKY, table3.OURS]
    assert "on 500 of the training images" in filled.notes[-1]
    assert not any("never released" in note for note in filled.notes)


def test_networks_trained_elsewhere_have_no_row_and_no_say_in_the_scatter() -> None:
    own = {run: one for run, one in RUNS.items() if one.base == "alexnet"}
    found = rows(table3.table(world(1), own))
    assert found["Our Model (as per Fig. 3)"][1] == "not run" and found["Removed layer 3,4,6,7"][1] == "70.0"
    assert rows(table3.table(world(1), {}))["Removed layer 3,4,6,7"][1] == "not run"
    growth = table3.growth(world(1), given(RUNS, elsewhere=True), "alexnet-no3467")
    assert growth.count == "one seed: no interval", "the seeds are those of a softmax alone"


def test_differences_of_rows() -> None:
    found = {one.part: one for one in table3.differences(world(1), EVERYTHING)}
    assert len(found) == 10
    one = found["AlexNet without layers 3 and 4 − with them"]
    assert one.value == pytest.approx(1) and one.published == pytest.approx(4.9) and one.count == "5 seeds"
    gap = found["Fig. 3, everything wider − as it is: validation − training error"]
    [claimed] = table3.CLAIMS[-1].measure(world(1), EVERYTHING)
    assert gap.value == claimed.value == pytest.approx(10) and gap.published == pytest.approx(28.3 - 5.3)
    wider = found["Fig. 3, wider layers 3 to 5 − as they are"]
    assert wider.value == pytest.approx(-judged(table3, "wider-middle", world(1), EVERYTHING)[1].value)
    fewer = given({run: one for run, one in RUNS.items() if run != "alexnet-no7"})
    lost = table3.differences(world(1), fewer)[1]
    assert np.isnan(lost.value) and lost.published == pytest.approx(-0.5) and "without layer 7" in lost.part


def test_depth_and_growth_by_hand() -> None:
    deviation = 100 * np.std([-0.001, -0.0005, 0, 0.0005, 0.001], ddof=1)
    found = judged(table3, "depth", world(1), EVERYTHING)[1]
    assert found.value == pytest.approx(80 - 41 - 41 + 40)
    assert found.high == pytest.approx(found.value + 2.776445 * deviation * 2)
    assert found.published == pytest.approx(71.3 - 45.4 - 44.8 + 40.5)
    found = judged(table3, "both-removed", world(1), EVERYTHING)[1]
    assert found.value == pytest.approx(100) and found.published == pytest.approx(100 * (71.3 / 40.5 - 1))
    rng = np.random.default_rng(0)
    ratios = 100 * (rng.normal(80, deviation, 200_000) / rng.normal(40, deviation, 200_000) - 1)
    assert found.high is not None and found.high - found.value == pytest.approx(2.776445 * ratios.std(), rel=0.02)


def test_sizes_of_both_networks_decide() -> None:
    found = next(claim for claim in table3.CLAIMS if claim.id == "dense-sizes").measure(world(-1), EVERYTHING)
    assert [one.part for one in found] == [
        "zfnet, 2048 units", "zfnet, 8192 units", "alexnet, 2048 units", "alexnet, 8192 units"
    ]  # fmt: skip
    assert [one.value for one in found] == pytest.approx([100] * 4)


def test_the_paper_passes_by_its_own_numbers() -> None:
    """A rule is unfair if the paper's printed numbers fail the rule."""
    for module, data in ((table2, world(1)), (table3, world(1))):
        for claim in module.CLAIMS:
            for one in [] if "together" in claim.id else claim.measure(data, EVERYTHING):
                assert one.published is not None
                assert claim.rule.low < one.published < claim.rule.high, claim.id
    assert table3.SMALL < table3.DRAMATIC


def test_one_seed_gives_no_verdict() -> None:
    alone = given({run: one for run, one in RUNS.items() if "seed" not in run})
    for claim in ("dense-removed", "dense-sizes", "depth", "wider-everything"):
        verdict, found = judged(table3, claim, world(1), alone)
        assert verdict == "undecided" and found.count == "one seed: no interval"


def test_claims_need_networks_that_were_trained_here() -> None:
    with pytest.raises(Unmeasurable, match=r"model\.source"):
        judged(table3, "wider-middle", world(1), given(RUNS, elsewhere=True))
    assert judged(table3, "both-removed", world(1), given(RUNS, elsewhere=True))[0] == "undecided", (
        "no seeds of its own"
    )
    fewer = given({run: one for run, one in RUNS.items() if "-fc" not in run})
    with pytest.raises(Unmeasurable, match="no run zfnet-fc2048, zfnet-fc8192, alexnet-fc2048, alexnet-fc8192"):
        judged(table3, "dense-sizes", world(1), fewer)
    one = given({**fewer.runs, "alexnet-fc2048": RUNS["alexnet-fc2048"]})
    assert judged(table3, "dense-sizes", world(1), one)[0] == "holds"
    perfect = world(1) | {"alexnet.json": metrics({"alexnet": (0.0, 0.0)})["alexnet.json"]}
    with pytest.raises(Unmeasurable, match="makes no error"):
        judged(table3, "dense-removed", perfect, EVERYTHING)


def test_networks_that_learned_nothing_support_no_claim() -> None:
    chance = 2 / 3
    for error, learned in ((chance, False), (chance - 0.02, False), (chance - 0.04, True)):
        data = metrics(dict.fromkeys(RUNS, (error, error)))
        errors = {run: data[f"{run}.json"] | {"chance_top1": chance} for run in RUNS}
        known = dataclasses.replace(EVERYTHING, metrics=errors)
        for module in (table2, table3):
            for claim in (one for one in module.CLAIMS if "together" not in one.id):
                entry, _ = ledger.judged(claim, data, known)
                assert (entry["verdict"] == "not measurable here") != learned, (
                    "1,000 images can't tell three points from chance"
                )


@pytest.mark.parametrize(("claim", "run"), [("dense-removed", "alexnet-no67"), ("middle-removed", "alexnet-no34")])
def test_an_error_that_falls_by_half_is_no_slight_change(claim: str, run: str) -> None:
    fallen = world(1) | {f"{run}.json": metrics({run: (0.1, 0.2)})[f"{run}.json"]}
    assert judged(table3, claim, fallen, EVERYTHING)[0] == "does not hold"
