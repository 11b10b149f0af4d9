from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.lib.stride_tricks import sliding_window_view

from tests.report.artefacts.layout import faults, words
from zfpipe.report.artefacts import fig1
from zfpipe.report.engine import style


def made(size: int = 3, stride: int = 2, pooled: int = 23, crop: int = 96, unpooling: str = "sum") -> dict[str, Any]:
    """Return the steps of a signal in 5 x 5 pools from row 10 and column 12 on, through pools of some size."""
    rng = np.random.default_rng(0)
    side = stride * (pooled - 1) + size
    map1 = rng.gamma(0.5, 10, (side, side)).clip(0.1, 80)
    windows = sliding_window_view(map1, (size, size))[::stride, ::stride]
    y, x = np.indices((pooled, pooled)) * stride + np.divmod(windows.reshape(pooled, pooled, -1).argmax(2), size)
    switches, filtered = y * side + x, np.zeros((pooled, pooled))
    filtered[10:15, 12:17] = rng.normal(0, 10, (5, 5))
    unpooled = np.zeros(map1.size)
    np.add.at(unpooled, switches.ravel(), filtered.ravel())
    unpooled = unpooled.reshape(map1.shape)
    kept = np.zeros((10, 10))
    kept[5, 4] = 68.61
    arrays = {
        "image": rng.integers(0, 256, (crop, crop, 3), np.uint8), "map1": map1, "switches": switches,
        "pooled1": windows.max((2, 3)), "map2": kept, "kept": kept, "filtered": filtered, "unpooled": unpooled,
        "rectified": unpooled.clip(0), "reconstruction": rng.normal(0, 1, (crop, crop, 3)),
    }  # fmt: skip
    facts = {
        "class": "fox & hound", "layer1_map": 2, "layer2_map": 45, "activation": 68.61, "rows": [39, 66],
        "columns": [31, 58], "pool": {"size": size, "stride": stride}, "unpooling": unpooling,
    }  # fmt: skip
    return {"steps.safetensors": arrays, "steps.json": facts}


def draw(data: dict[str, Any]) -> Figure:
    with style.context():
        return fig1.draw(data, style.Drawing(99.5, 96))


@pytest.mark.parametrize("pool", [(3, 2), (2, 2), (4, 4)])
def test_every_word_can_be_read(pool: tuple[int, int]) -> None:
    figure = draw(made(*pool))
    assert faults(figure) == []
    assert f"{pool[0]} × {pool[0]}, stride {pool[1]}" in [text.get_text() for text in words(figure)]


def test_the_papers_size_can_be_read() -> None:
    data = made(pooled=55, crop=224)
    data["steps.json"]["class"] = "German short-haired pointer"
    assert faults(draw(data)) == []


def test_the_detail_shows_the_pools_with_the_most_signal_in_numbers() -> None:
    data = made()
    filtered = data["steps.safetensors"]["filtered"]
    y, x = fig1.strongest(filtered)
    assert y in (10, 11) and x in (12, 13)
    axes = draw(data).axes[12]
    shown = [text.get_text() for text in axes.texts if text.get_text() != "one value for each pool"]
    assert len(shown) == 16
    for word, value in zip(shown, filtered[y : y + 4, x : x + 4].ravel(), strict=True):
        assert float(word.replace("−", "-")) == pytest.approx(value, abs=0.05 if abs(value) < 9.95 else 0.5)


def test_switches_are_framed_and_shared_ones_twice() -> None:
    data = made()
    arrays = data["steps.safetensors"]
    y, x = fig1.strongest(arrays["filtered"])
    switches = arrays["switches"][y : y + 4, x : x + 4].ravel().tolist()
    shared = {switch for switch in switches if switches.count(switch) > 1}
    assert shared, "the example needs shared switches"
    first, _, _, last = draw(data).axes[-4:]
    assert len(first.patches) == len(set(switches)) and len(last.patches) == len(set(switches)) + len(shared)
    framed = set()
    for patch in first.patches:
        assert isinstance(patch, Rectangle)
        framed.add((2 * y + int(patch.get_y())) * arrays["map1"].shape[1] + 2 * x + int(patch.get_x()))
    assert framed == set(switches)


def test_the_receptive_field_is_framed_in_image_and_projection() -> None:
    figure = draw(made())
    for axes in (figure.axes[0], figure.axes[5]):
        (frame,) = axes.patches
        assert isinstance(frame, Rectangle) and frame.get_xy() == (30.5, 38.5)
        assert (frame.get_width(), frame.get_height()) == (27, 27)


@pytest.mark.parametrize(("unpooling", "rule"), [("sum", "added up"), ("overwrite", "the last one stays")])
def test_the_rule_for_shared_switches_is_told(unpooling: str, rule: str) -> None:
    figure = draw(made(unpooling=unpooling))
    assert f"shared switches (twice framed): {rule}" in [text.get_text() for text in words(figure)]


def test_words_and_details_give_the_tensors_numbers() -> None:
    data = made()
    assert "activation of layer 2, 68.6 in map 45" in fig1.alternative(data)
    rows = {row[0]: row[1:] for row in fig1.details(data).rows}
    assert rows["kept"] == ("10 × 10", "0", "68.6", "1.0%")
    low = data["steps.safetensors"]["filtered"].min()
    assert rows["filtered"][1].startswith("−") and float(rows["filtered"][1][1:]) == pytest.approx(-low, rel=0.01)
