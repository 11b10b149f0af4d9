import numpy as np
import pytest
from scipy import stats

from tests.report.artefacts.made import DRAWN, accuracies, judged, rows, scratch
from zfpipe.report.artefacts import table4, table5
from zfpipe.report.engine.claims import Unmeasurable

DATA = {"accuracy.csv": accuracies([], {15: 0.5, 30: 0.6, 7: 0.4}), "scratch.csv": scratch({15: 0.3, 30: 0.45})}
NONE = {**DATA, "scratch.csv": scratch({})}
"""Results of a network that was trained elsewhere."""


def test_cells_are_mean_and_deviation_over_folds() -> None:
    filled = table4.table(DATA, {})
    found = rows(filled)
    ours = ["83.8 ± 0.5", "50.0 ± 1.0", "−33.8", "86.5 ± 0.5", "60.0 ± 1.0", "−26.5"]
    assert found["ImageNet-pretrained convnet"] == ours
    assert found["Non-pretrained convnet"] == ["22.8 ± 1.5", "30.0 ± 7.1", "+7.2", "46.5 ± 1.7", "45.0 ± 7.1", "−1.5"]
    assert found["(Bo et al., 2013)"] == ["–", "–", "–", "81.4 ± 0.33", "–", "–"]
    assert "on Caltech-101. Ours: on 10 classes that zfpipe draws, 3 folds of 1,200 test images" in filled.notes[0]
    assert filled.notes[1].endswith("random weights, on 2 of the folds.")
    real = {**DATA, "accuracy.csv": DATA["accuracy.csv"].assign(drawn=False)}
    assert "Ours: on 10 classes, 3 folds" in table4.table(real, {}).notes[0]


def test_one_fold_has_no_deviation() -> None:
    data = {name: frame[frame["fold"] == 0] for name, frame in DATA.items()}
    assert rows(table4.table(data, {}))["ImageNet-pretrained convnet"][1] == "49.0"
    assert table4.differences(data, DRAWN)[0].count == "one fold: no interval"


def test_what_was_not_measured_is_not_available() -> None:
    filled = table4.table(NONE, {})
    assert rows(filled)["Non-pretrained convnet"][:3] == ["22.8 ± 1.5", "not available", "–"]
    assert "nothing is trained from scratch where" in filled.notes[1]
    assert "Pretrained: ours elsewhere (model.source); " in filled.notes[1]
    assert "Pretrained: ours on this run's own pictures, " in table4.table(DATA, {}).notes[1]
    lost = table4.differences(NONE, DRAWN)
    assert len(lost) == 2 and np.isnan(lost[0].value) and lost[0].published == pytest.approx(61.0)
    with pytest.raises(Unmeasurable, match=r"model\.source"):
        judged(table4, "caltech101", NONE, DRAWN)


def test_folds_are_compared_with_themselves() -> None:
    found = table4.differences(DATA, DRAWN)
    assert [one.part for one in found] == [
        f"Caltech-101, {count} images: accuracy pretrained − from scratch" for count in (15, 30)
    ]
    differences = 100 * (np.array([0.49, 0.50]) - np.array([0.25, 0.35]))
    half = stats.t.ppf(0.975, 1) * differences.std(ddof=1) / 2**0.5
    assert (found[0].value, found[0].high) == pytest.approx((differences.mean(), differences.mean() + half))
    claimed = table4.CLAIMS[0].measure(DATA, DRAWN)
    assert [one.value for one in claimed] == [one.value for one in found]
    assert [one.part for one in claimed] == ["15 images per class", "30 images per class"]


def test_counts_that_the_paper_does_not_print_have_no_published_number() -> None:
    data = {"accuracy.csv": accuracies([], {4: 0.5}), "scratch.csv": scratch({4: 0.3})}
    [found] = table4.CLAIMS[0].measure(data, DRAWN)
    assert found.published is None and found.value == pytest.approx(19.5)
    assert all(np.isnan(one.value) for one in table4.differences(data, DRAWN))


@pytest.mark.parametrize(
    ("pretrained", "spread", "verdict"), [(0.8, 0.01, "holds"), (0.35, 0.01, "does not hold"), (0.6, 0.2, "undecided")]
)
@pytest.mark.parametrize(("module", "claim"), [(table4, "caltech101"), (table5, "caltech256")])
def test_claims_turn_with_the_accuracies(module, claim: str, pretrained: float, spread: float, verdict: str) -> None:
    counts = (15, 30, 45, 60)
    data = {
        "accuracy.csv": accuracies([], dict.fromkeys(counts, pretrained), spread),
        "scratch.csv": scratch(dict.fromkeys(counts, 0.3), -spread),
    }
    assert judged(module, claim, data, DRAWN)[0] == verdict


def test_far_is_half_of_the_smallest_printed_difference() -> None:
    rules = [module.CLAIMS[0].rule.low for module in (table4, table5)]
    assert rules == pytest.approx([20, 17.7])


def test_table_5_shows_the_second_set_in_the_same_way() -> None:
    data = {"accuracy.csv": accuracies([], {60: 0.56}), "scratch.csv": scratch({45: 0.25})}
    found = rows(table5.table(data, {}))
    assert found["ImageNet-pretrained convnet"][7:] == ["not available", "–", "74.2 ± 0.3", "56.0 ± 1.0", "−18.2"]
    assert found["Non-pretrained convnet"][6:9] == ["31.2 ± 0.5", "25.0 ± 7.1", "−6.2"]
    parts = [one.part for one in table5.differences(data, DRAWN)]
    assert parts[3] == "Caltech-256, 60 images: accuracy pretrained − from scratch"
