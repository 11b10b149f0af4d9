from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults, words
from zfpipe.report.artefacts import fig7b
from zfpipe.report.engine import style

METHODS = ["deconvnet", "saliency", "guided backpropagation", "Grad-CAM", "integrated gradients"]
EMPTY = pd.DataFrame(columns=["score", "value", "against", "difference", "low", "high", "images", "method"])


def made(classes: list[str], side: int = 20) -> dict[str, Any]:
    rng, count = np.random.default_rng(6), len(classes)
    masks = np.zeros((count, side, side), np.uint8)
    masks[:, side // 4 : side // 2, side // 10 : side * 9 // 10] = 1
    arrays = {
        "images": rng.integers(0, 256, (count, side, side, 3), np.uint8),
        "masks": masks,
        "drop": rng.random((count, 8, 8)).astype(np.float32),
        "maps": rng.random((count, 5, side, side)).astype(np.float32),
    }
    rows = [
        {"score": score, "value": value + place / 10, "against": against, "difference": place / 10 - 0.2,
         "low": place / 10 - 0.3, "high": place / 10 - 0.1, "images": 1200, "method": method}
        for place, method in enumerate(["occlusion", *METHODS])
        for score, value, against in (("hit", 0.31, 0.125), ("overlap", 0.21, 0.2))
    ]  # fmt: skip
    shown = {"classes": classes, "methods": METHODS}
    return {"shown.json": shown, "shown.safetensors": arrays, "scores.csv": pd.DataFrame(rows)}


def drawn(data: dict[str, Any], percentile: float = 99) -> Figure:
    with style.context():
        figure = fig7b.draw(data, style.Drawing(percentile, 20))
        assert faults(figure) == []
    return figure


def outlines(figure: Figure) -> list[QuadContourSet]:
    return [one for axes in figure.axes for one in axes.collections if isinstance(one, QuadContourSet)]


def test_each_map_has_its_own_full_contrast() -> None:
    data = made(["fish", "lorry"])
    arrays = data["shown.safetensors"]
    arrays["drop"][0] = -1
    grid = np.array(drawn(data, 90).axes).reshape(2, 7)
    assert np.array_equal(grid[1, 0].images[0].get_array(), arrays["images"][1])
    for row in range(2):
        for axes, values in zip(grid[row, 1:], [arrays["drop"][row], *arrays["maps"][row]], strict=True):
            assert np.array_equal(axes.images[0].get_array(), values)
            full = 1 if (values < 0).all() else np.percentile(values, 90)
            assert axes.images[0].get_clim() == pytest.approx((0, full))


@pytest.mark.parametrize("shade", [0, 255])
def test_the_outline_is_seen_on_dark_and_bright(shade: int) -> None:
    data = made(["fish"], side=40)
    data["shown.safetensors"]["images"][:] = shade
    figure = drawn(data)
    for line in outlines(figure):
        points = np.concatenate([np.asarray(path.vertices) for path in line.get_paths()])
        assert points.min(0) == pytest.approx((4 / 40, 1 - 20 / 40)) and points.max(0) == pytest.approx((0.9, 0.75))
    assert len(outlines(figure)) == 7
    canvas: Any = figure.canvas
    canvas.draw()
    box = figure.axes[0].get_window_extent()
    middle, top = round(box.x0 + box.width / 2), round(figure.bbox.height - (box.y0 + 0.75 * box.height))
    across = np.asarray(canvas.buffer_rgba())[top - 8 : top + 8, middle, :3].max(1)
    assert across.max() > 240 and across.min() < 40, "the outline needs a light line and a dark edge"


def test_without_known_objects_scores_are_not_available() -> None:
    data = made(["fish", "lorry"])
    data["shown.safetensors"]["masks"][:] = [[[0]], [[1]]]
    data["scores.csv"] = EMPTY
    figure = drawn(data)
    assert outlines(figure) == []
    found = [text.get_text() for text in words(figure)]
    assert found.count("largest on object –\noverlap –") == 6
    assert found[-1].endswith("The scores are not available: no image has an object box or mask.")
    assert fig7b.details(data).rows == [(fig7b.NONE, "–", "–", "–", "–", "–")]


def test_scores_stand_below_their_maps() -> None:
    data = made(["fish", "a wire-haired pointing griffon, of the northern plains"])
    figure = drawn(data)
    grid = np.array(figure.axes).reshape(2, 7)
    below = [axes.get_xlabel() for axes in grid[1, 1:]]
    assert below == [f"largest on object 0.{hit}1\noverlap 0.{hit - 1}1" for hit in range(3, 9)]
    assert grid[0, 0].get_xlabel() == "fish" and "griffon" in grid[1, 0].get_xlabel()
    assert [axes.get_title("left") for axes in grid[0, 4:6]] == ["Guided\nbackpropagation", "Grad-CAM"]
    sides = [axes.get_window_extent().size for axes in figure.axes]
    assert all(width == pytest.approx(height, abs=0.5) and width > 250 for width, height in sides)
    note = [text.get_text() for text in words(figure)][-1]
    assert note.endswith("Numbers: over 1,200 images, at the occluder's places; by chance 0.12 and 0.20.")
    details = fig7b.details(data)
    assert details.open and details.rows[0] == (
        "Occlusion", "0.31", "−0.20 (−0.30 to −0.10)", "0.21", "−0.20 (−0.30 to −0.10)", "1,200"
    )  # fmt: skip
    assert details.rows[5][2] == "+0.30 (+0.20 to +0.40)"
    assert "; Grad-CAM: 0.71 on the object, overlap 0.61; " in fig7b.alternative(data)
