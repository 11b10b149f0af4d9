import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.report.artefacts.made import DRAWN, accuracies, judged, rows
from zfpipe.report.artefacts import table7
from zfpipe.report.engine.claims import Unmeasurable

RISING = (0.4, 0.5, 0.55, 0.6, 0.62, 0.65)


def folder(first: tuple[float, ...], second: tuple[float, ...], spread: float = 0.01) -> dict[str, pd.DataFrame]:
    return {
        "caltech101/accuracy.csv": accuracies(first, {15: 0.1, 30: 0.7}, spread),
        "caltech256/accuracy.csv": accuracies(second, {6: 0.2, 60: 0.8}, spread).assign(classes=12),
    }


def test_every_classifier_is_shown_with_the_most_images() -> None:
    filled = table7.table(folder(RISING, RISING[:3]), {})
    found = rows(filled)
    assert found["SVM (1)"] == ["44.8 ± 0.7", "40.0 ± 1.0", "−4.8", "24.6 ± 0.4", "40.0 ± 1.0", "+15.4"]
    assert found["SVM (7)"] == ["85.5 ± 0.4", "65.0 ± 1.0", "−20.5", "71.7 ± 0.2", "not available", "–"]
    assert found["Softmax (7)"][1::3] == ["70.0 ± 1.0", "80.0 ± 1.0"]
    assert found["Softmax (5)"][1] == "12.5 ± 1.0"
    assert "on 10 classes that zfpipe draws" in filled.notes[0]
    assert "30 training images per class. Second: 60" in filled.notes[1] and "on 12 classes" in filled.notes[1]


def test_layers_are_compared_with_the_layer_before_on_the_same_folds() -> None:
    data = folder(RISING, RISING[:3])
    table = data["caltech101/accuracy.csv"]
    table.loc[(table["layer"] == 7) & (table["fold"] == 0) & (table["classifier"] == "svm"), "accuracy"] += 0.03
    found = {one.part: one for one in table7.differences(data, DRAWN)}
    assert len(found) == 10
    one = found["Caltech-101: SVM on layer 7 − layer 5"]
    values = np.array([6.0, 3.0, 3.0])
    assert (one.value, one.published) == pytest.approx((4.0, -0.7)) and one.count == "3 folds"
    assert one.high == pytest.approx(4 + stats.t.ppf(0.975, 2) * values.std(ddof=1) / 3**0.5)
    assert np.isnan(found["Caltech-256: SVM on layer 7 − layer 5"].value)
    assert found["Caltech-256: SVM on layer 7 − layer 5"].published == pytest.approx(6.1)


@pytest.mark.parametrize(
    ("second", "verdict"), [(RISING, "holds"), (RISING[::-1], "does not hold"), ((0.5,) * 6, "undecided")]
)
def test_the_claim_must_hold_for_both_sets(second: tuple[float, ...], verdict: str) -> None:
    found, measure = judged(table7, "deeper", folder(RISING, second, 0.001), DRAWN)
    assert found == verdict
    assert measure.part == ("Caltech-101" if verdict == "holds" else "Caltech-256")
    assert measure.published == pytest.approx(33 / 35 if verdict == "holds" else 1)


def test_the_claim_needs_two_layers() -> None:
    with pytest.raises(Unmeasurable, match="one layer alone"):
        judged(table7, "deeper", folder(RISING[:1], RISING), DRAWN)


def test_order_is_spearmans_correlation() -> None:
    folds = np.random.default_rng(2).normal(0, 1, (6, 3))
    assert table7.order(folds) == pytest.approx([stats.spearmanr(np.arange(6), fold)[0] for fold in folds.T])
    assert table7.order(np.ones((6, 2))).tolist() == [0, 0]
