from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

from tests.report.artefacts.layout import faults, words
from zfpipe.report.artefacts import fig3
from zfpipe.report.engine import style

DRAWING = style.Drawing(99, 224)
IMAGE = {"kind": "input", "maps": 3, "size": 224}


def conv(layer: int, maps: int, size: int, side: int, stride: int = 1, pooled: int | None = None) -> dict[str, Any]:
    pool = {"pooled": pooled, "pool": [3, 2] if pooled else None, "normed": pooled is not None and layer < 5}
    pool["before_pool"] = False
    made = {"kind": "conv", "layer": layer, "maps": maps, "size": size, "filter_size": side, "stride": stride}
    return made | pool | {"parameters": maps * 1000}


def dense(layer: int, units_in: int, units: int, kind: str = "hidden") -> dict[str, Any]:
    return {"kind": kind, "layer": layer, "units_in": units_in, "units": units, "parameters": (units_in + 1) * units}


CONVS = [
    conv(1, 96, 110, 7, 2, 55), conv(2, 256, 26, 5, 2, 13), conv(3, 384, 13, 3), conv(4, 384, 13, 3),
    conv(5, 256, 13, 3, 1, 6),
]  # fmt: skip
PAPER = [IMAGE, *CONVS, dense(6, 9216, 4096), dense(7, 4096, 4096), dense(8, 4096, 1000, "softmax")]
DROPPED = [IMAGE, *CONVS[:2], CONVS[4], dense(8, 9216, 1000, "softmax")]
SIZES = [(64, 224), (64, 224), (128, 112), (128, 112), *[(256, 56)] * 3, *[(512, 28)] * 3, *[(512, 14)] * 3]
VGG = [IMAGE, *(conv(place + 1, *one, 3, 1, one[1] // 2 if place % 3 else None) for place, one in enumerate(SIZES))]
VGG += [dense(14, 25088, 4096), dense(15, 4096, 4096), dense(16, 4096, 1000, "softmax")]


def drawn(layers: list[dict[str, Any]]) -> Figure:
    with style.context():
        figure = fig3.draw({"zfnet.json": layers}, DRAWING)
        assert faults(figure) == []
    return figure


def boxes(figure: Figure) -> dict[str, list[Rectangle]]:
    """Return the rectangles by the kind that their colour stands for."""
    found: dict[str, list[Rectangle]] = {}
    with style.context():
        colours = {Rectangle((0, 0), 1, 1, facecolor=value).get_facecolor(): key for key, value in fig3.COLOURS.items()}
    for patch in figure.axes[0].patches:
        assert isinstance(patch, Rectangle)
        found.setdefault(colours[patch.get_facecolor()], []).append(patch)
    return found


def test_the_papers_sizes_are_written() -> None:
    found = [text.get_text() for text in words(drawn(PAPER))]
    for size in ("110 × 110", "26 × 26", "stride 2: 55 × 55", "stride 2: 6 × 6", "from 9,216", "1,000 classes"):
        assert size in found
    assert found.count("13 × 13") == 3 and found.count("normalised") == 2
    counts = [96000, 256000, 384000, 384000, 256000, 9217 * 4096, 4097 * 4096, 4097 * 1000]
    assert found[-1].startswith(
        f"{sum(counts):,} weights and biases, {counts[5] / sum(counts):.0%} of them in layer 6."
    )


def test_squares_are_in_proportion() -> None:
    found = boxes(drawn(PAPER))
    image, convs = found["input"][-1].get_width(), [one.get_width() for one in found["conv"][:: fig3.SHEETS]]
    assert [len(found[kind]) for kind in ("input", "conv", "hidden", "softmax")] == [4, 20, 2, 1]
    small = image - fig3.RANGE
    assert [(side - small) / (image - small) for side in convs] == pytest.approx([110 / 224, 26 / 224, *[13 / 224] * 3])
    filters = [one.get_width() for one in found["filter"]]
    sides = [image, *convs[:4]]
    shares = [7 / 224, 5 / 55, 3 / 13, 3 / 13, 3 / 13]
    assert filters == pytest.approx([side * share for side, share in zip(sides, shares, strict=True)])


@pytest.mark.parametrize(("layers", "rows"), [(PAPER, 1), (DROPPED, 1), (VGG, 2)])
def test_arrows_lead_from_block_to_block(layers: list[dict[str, Any]], rows: int) -> None:
    figure = drawn(layers)
    (axes,) = figure.axes
    arrows = [one for one in axes.texts if isinstance(one, Annotation)]
    assert len(arrows) == len(layers) - 1
    assert all(0 <= one.xyann[0] < one.xy[0] and one.xyann[1] == one.xy[1] for one in arrows)
    assert len({one.xy[1] for one in arrows}) == rows
    blocks = [one.get_extents().transformed(axes.transData.inverted()) for one in axes.patches]
    assert min(block.x0 for block in blocks) > 0 and max(block.x1 for block in blocks) < fig3.LENGTH


def test_left_out_layers_are_not_drawn() -> None:
    found = [text.get_text() for text in words(drawn(DROPPED))]
    assert [one for one in found if one.startswith("Layer")] == ["Layer 1", "Layer 2", "Layer 5"]
    assert "of them in the softmax." in found[-1]
    second = "Layer 2: 256 maps, 26 × 26, 5 × 5 filters, stride 2, ReLU, max pool 3 × 3, stride 2: 13 × 13, normalised."
    assert f" {second} Layer 5: 256 maps, " in fig3.alternative({"zfnet.json": DROPPED})


def test_krizhevskys_normalisation_is_named_before_the_pool() -> None:
    words = fig3.lines(conv(1, 96, 55, 11, 4, 27) | {"before_pool": True})
    assert words.index("normalised") == words.index("max pool 3 × 3") - 1


def test_the_table_has_a_row_for_each_layer() -> None:
    rows = fig3.details({"zfnet.json": PAPER}).rows
    assert len(rows) == len(PAPER)
    assert rows[0] == ("Image", "3 colours", "224 × 224; minus the mean", "0")
    assert rows[6] == ("Layer 6", "4,096 units", "from 9,216", "37,752,832")


def test_a_foreign_networks_layers_have_their_names_and_fields() -> None:
    layers = [
        {"kind": "input", "maps": 3, "size": 64},
        {"kind": "maps", "layer": 1, "name": "layer1.0.relu", "maps": 8, "size": 32, "field": 7, "parameters": 90},
        {"kind": "hidden", "layer": 2, "units": 9, "parameters": 50},
        {"kind": "softmax", "layer": 3, "units": 4, "parameters": 40},
    ]
    assert fig3.lines(layers[1]) == ["8 maps", "32 × 32", "layer1.0.relu", "sees 7 × 7"]
    assert drawn(layers).axes


def test_long_names_of_layers_do_not_overlap() -> None:
    image, _, *above = PAPER[:1] + PAPER[:1] + PAPER[-3:]
    names = [f"features.{layer}.0.block.0.2" for layer in range(1, 5)] + ["a_module_with_a_name_of_its_own.relu_12"]
    layers = [
        {"kind": "maps", "layer": layer, "name": name, "maps": 8, "size": 32, "field": 224, "parameters": 90}
        for layer, name in enumerate(names, 1)
    ]
    found = [text.get_text() for text in words(drawn([image, *layers, *above]))]
    assert {"features.1.0.", "block.0.2"} <= set(found)
    assert f" {names[0]}," in fig3.alternative({"zfnet.json": layers}), "in words the name is whole"
