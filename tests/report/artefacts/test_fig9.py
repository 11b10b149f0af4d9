from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults, words
from tests.report.artefacts.made import DRAWN, REAL, accuracies, judged, scratch
from zfpipe.report.artefacts import fig9
from zfpipe.report.engine import style
from zfpipe.report.engine.claims import Unmeasurable

COUNTS = {2: 0.3, 6: 0.4, 15: 0.5, 30: 0.52, 45: 0.54, 60: 0.56}
DATA = {"accuracy.csv": accuracies([], COUNTS), "scratch.csv": scratch({15: 0.25, 60: 0.45})}
ELSEWHERE = {**DATA, "scratch.csv": scratch({})}


def drawn(data: dict[str, Any]) -> tuple[Figure, set[str]]:
    with style.context():
        figure = fig9.draw(data, style.Drawing(99.0, 96))
        return figure, {text.get_text() for text in words(figure)}


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        ELSEWHERE,
        {"accuracy.csv": accuracies([], {2: 0.1, 4: 0.15}, 0.1), "scratch.csv": scratch({4: 0.1})},
        {"accuracy.csv": accuracies([], {2: 0.9, 60: 0.99}).assign(classes=256), "scratch.csv": scratch({60: 0.9})},
    ],
)
def test_nothing_overlaps(data: dict[str, Any]) -> None:
    with style.context():
        assert faults(fig9.draw(data, style.Drawing(99.0, 96))) == []


def test_both_sides_have_the_same_axes_and_say_what_they_show() -> None:
    figure, texts = drawn(DATA)
    ours, published = figure.axes
    assert ours.get_ylim() == published.get_ylim() and ours.get_xlim() == published.get_xlim()
    labels = [axes.get_legend_handles_labels()[1] for axes in figure.axes]
    assert labels[0] == ["Chance", "Ours, pretrained", "Ours, from scratch"]
    assert labels[1] == [
        "ImageNet-pretrained convnet", "Non-pretrained convnet", "Bo et al., 2013", "Sohn et al., 2011"
    ]  # fmt: skip
    assert {"Ours: 10 classes that zfpipe draws", "Published: Caltech-256", "above 55.2% with 6 images"} <= texts
    [note] = [one for one in texts if one.startswith("Bars")]
    assert "over folds (3 pretrained, 2 from scratch); 1,200 test images a fold" in note
    [chance] = [line for line in ours.lines if line.get_label() == "Chance"]
    assert list(chance.get_ydata()) == [10, 10]  # type: ignore[arg-type]
    assert ours.lines[0].get_ydata()[0] == pytest.approx(30) and published.lines[0].get_ydata()[0] == 65.7  # type: ignore[index]


def test_a_network_trained_elsewhere_has_no_curve_from_scratch() -> None:
    figure, texts = drawn(ELSEWHERE)
    assert figure.axes[0].get_legend_handles_labels()[1] == ["Chance", "Ours, pretrained"]
    assert any("folds (3 pretrained);" in one for one in texts)
    assert fig9.details(ELSEWHERE).rows[-1] == ["60", "74.2 ± 0.3", "56.0 ± 1.0", "38.8 ± 1.4", "–"]


def test_the_numbers_stand_below_and_in_the_alternative() -> None:
    rows = {row[0]: row[1:] for row in fig9.details(DATA).rows}
    assert rows["2"] == ["–", "30.0 ± 1.0", "–", "–"]
    assert rows["60"] == ["74.2 ± 0.3", "56.0 ± 1.0", "38.8 ± 1.4", "45.0 ± 7.1"]
    assert "Ours, pretrained: 30% with 2, 40% with 6" in fig9.alternative(DATA)
    assert fig9.alternative(DATA).endswith("Ours, from scratch: 25% with 15, 45% with 60.")


@pytest.mark.parametrize(
    ("few", "spread", "verdict"), [(0.9, 0.01, "holds"), (0.2, 0.01, "does not hold"), (0.55, 0.2, "undecided")]
)
def test_claims_turn_with_the_accuracies(few: float, spread: float, verdict: str) -> None:
    data = {
        "accuracy.csv": accuracies([], {6: few, 60: 0.9}, spread),
        "scratch.csv": scratch({15: 0, 60: 0.45}, -spread),
    }
    found, measure = judged(fig9, "few-images", data, DRAWN)
    assert found == verdict and measure.value == pytest.approx(100 * (few - spread / 2 - 0.45))
    found, measure = judged(fig9, "six-images", data, REAL)
    assert found == verdict and measure.value == pytest.approx(100 * few - 55.2)
    (found,) = fig9.few_images(data, DRAWN)
    assert found.published == pytest.approx(16.4)
    (found,) = fig9.few_images(data | {"scratch.csv": scratch({15: 0})}, DRAWN)
    assert found.published is None, "the paper's number is for 60 images per class from scratch"


def test_claims_that_cannot_be_measured_say_why() -> None:
    with pytest.raises(Unmeasurable, match="Caltech-256, and these pictures are drawn"):
        judged(fig9, "six-images", DATA, DRAWN)
    with pytest.raises(Unmeasurable, match=r"model\.source"):
        judged(fig9, "few-images", ELSEWHERE, DRAWN)
    without = {**DATA, "accuracy.csv": accuracies([], {15: 0.5, 60: 0.6})}
    for claim in ("few-images", "six-images"):
        with pytest.raises(Unmeasurable, match="fewer has no 6"):
            judged(fig9, claim, without, REAL)
