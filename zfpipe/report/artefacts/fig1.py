"""Fig. 1: a deconvnet attached to the convnet, step by step with a trained network's tensors, and its unpooling."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from numpy.lib.stride_tricks import sliding_window_view

from zfpipe import paths
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.measure import amount, number, percent

ARTEFACT = Artefact(
    name="Figure 1",
    section="2.1",
    title="A deconvnet layer attached to a convnet layer",
    caption="The principle, with the tensors of the trained network: the strongest activation of layer 2 over the "
    "validation images, on its way up (above) and down again (below). Of layer 1 the map is drawn that most of it "
    "passes through; the projection comes from all of them. White is zero; red is positive and blue negative, or blue "
    "positive where nothing is negative. The orange frame is what the unit sees. Last, a few pools in numbers: a "
    "switch is the place of a pool's maximum.",
    paper="A deconvnet reverses the convnet layer by layer: it unpools with the switches recorded on the way up, "
    "rectifies, and filters with the transposed filters.",
    folder=paths.PRINCIPLE,
    made_by=("figure@1", "principle", "activations", "train@zfnet"),
    printed="The paper's figure is a drawing; it prints no numbers.",
    parameters=("runs.zfnet", "deconvnet", "crops.size", "figures.percentile"),
    results={"steps.safetensors": "all tensors", "steps.json": "maps and places"},
)
METHODS = """
- A unit's activation is that of the rectified map, before pooling. For a map's strongest unit that is the same as
  starting from the pooled map: the pool keeps the maximum, and its switch leads back to that place.
- Where two pool windows share a switch, {% if value("deconvnet.unpooling") == "overwrite" %}the last one is
  kept{% else %}both are added, as the transpose does{% endif %}.{{ about("deconvnet.unpooling") }}
- The normalisation is {% if value("deconvnet.norm") == "skip" %}skipped on the way down{% else %}gone through by its
  gradient{% endif %}: the paper lists only unpool, rectify and filter.{{ about("deconvnet.norm") }}
- No biases on the way down; the last step, to pixels, is a filter without a ReLU.
"""
POOLED = 4  # pooled values along a side in the detail of unpooling
POSITIVE, SIGNED, DOTS = "Blues", "RdBu_r", "gray_r"
Panel = tuple[str, str, np.ndarray, str]  # a title, a remark, values and their colours


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw the way up, the way down with each step below its layer, and a detail in numbers."""
    arrays, facts = data["steps.safetensors"], data["steps.json"]
    side = (POOLED - 1) * facts["pool"]["stride"] + facts["pool"]["size"]
    heights = [480, 480, 150 + side * min(56, 1640 // (2 * side + 2 * POOLED))]
    figure = style.figure(sum(heights))
    up, down, detail = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    image, switches = arrays["image"], np.full(arrays["map1"].shape, 0.08)
    switches.ravel()[arrays["switches"].ravel()] = 1
    projection = tiles.contrast(arrays["reconstruction"], np.ones(image.shape[:2], bool), drawing.percentile)
    above = [
        ("Image", facts["class"], image, POSITIVE),
        (f"Layer 1, map {facts['layer1_map']}", "filtered and rectified", arrays["map1"], POSITIVE),
        ("Switches", "where a pool's maximum is", switches, DOTS),
        ("Pooled map", "the maxima", arrays["pooled1"], POSITIVE),
        (f"Layer 2, map {facts['layer2_map']}", "filtered and rectified", arrays["map2"], POSITIVE),
    ]
    row(up, "Convnet: up", above, "-|>", facts)
    below = [
        ("Projection", "filtered to pixels", projection, POSITIVE),
        ("Rectified", "negative values cut", arrays["rectified"], POSITIVE),
        ("Unpooled", "placed by the switches", arrays["unpooled"], SIGNED),
        ("Filtered down", "by the transposed filter", arrays["filtered"], SIGNED),
        ("One activation", "all others set to zero", arrays["kept"], POSITIVE),
    ]
    row(down, "Deconvnet: down", below, "<|-", facts)
    pools(detail, arrays, facts, side)
    return figure


def row(part: SubFigure, title: str, steps: list[Panel], arrow: str, facts: dict[str, Any]) -> None:
    """Draw five pictures with arrows between them, and the unit's receptive field in the first."""
    style.heading(part, title)
    (y0, y1), (x0, x1) = facts["rows"], facts["columns"]
    grid = part.subplots(1, len(steps), gridspec_kw={"wspace": 0.22})
    for axes, step in zip(grid, steps, strict=True):
        name(axes, step)
        axes.imshow(step[2], **scale(step))
        axes.spines[:].set_visible(True)
        if axes is grid[0]:
            axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec=style.MARK, lw=3))
        else:
            look = {"arrowstyle": arrow, "color": style.MUTED, "linewidth": 1.5, "mutation_scale": 16}
            axes.annotate("", (-0.03, 0.5), (-0.2, 0.5), "axes fraction", arrowprops=look)


def name(axes: Axes, step: Panel) -> None:
    """Write a panel's title and remark above it."""
    style.bare(axes).set_title(step[0], pad=32, fontsize=16)
    axes.annotate(step[1], (0, 1), (0, 8), "axes fraction", "offset points", color=style.MUTED)


def scale(step: Panel) -> dict[str, Any]:
    """Return a panel's colours: white is zero, its largest value the darkest."""
    most = float(np.abs(step[2]).max()) or 1.0
    return {"cmap": step[3], "vmin": -most if step[3] == SIGNED else 0, "vmax": most}


def pools(part: SubFigure, arrays: dict[str, np.ndarray], facts: dict[str, Any], side: int) -> None:
    """Draw sixteen pools around the strongest signal in numbers, up and down; `side`: values of layer 1 they cover."""
    window, stride = facts["pool"]["size"], facts["pool"]["stride"]
    y, x = strongest(arrays["filtered"])
    pooled = np.s_[y : y + POOLED, x : x + POOLED]
    below = np.s_[stride * y : stride * y + side, stride * x : stride * x + side]
    rows, columns = np.divmod(arrays["switches"][pooled].ravel(), arrays["map1"].shape[1])
    found = list(zip((rows - stride * y).tolist(), (columns - stride * x).tolist(), strict=True))
    rule = "added up" if facts["unpooling"] == "sum" else "the last one stays"
    steps = [
        ("Layer-1 map", "switches framed", arrays["map1"][below], POSITIVE),
        ("Pooled", f"{window} × {window}, stride {stride}", arrays["pooled1"][pooled], POSITIVE),
        ("Signal from above", "one value for each pool", arrays["filtered"][pooled], SIGNED),
        ("Unpooled", f"shared switches (twice framed): {rule}", arrays["unpooled"][below], SIGNED),
    ]
    style.heading(part, "Unpooling, a detail")
    for axes, step in zip(part.subplots(1, 4, width_ratios=[len(step[2]) for step in steps]), steps, strict=True):
        name(axes, step)
        mesh = axes.pcolormesh(step[2], edgecolors="white", linewidth=1, **scale(step))
        axes.set(xlim=(0, len(step[2])), ylim=(side, 0), aspect="equal", anchor="NW")  # equal squares in all four
        for (row, column), value in np.ndenumerate(step[2]):
            ink = "white" if np.dot(mesh.to_rgba(value)[:3], (0.3, 0.59, 0.11)) < 0.5 else style.INK
            words = number(float(value), 1 if abs(value) < 9.95 and side < 13 else 0) if value else ""
            axes.text(column + 0.5, row + 0.5, words, color=ink, ha="center", va="center", fontsize=style.SMALL)
        frames = [(place, 0.04, 2) for place in set(found) if len(step[2]) == side]
        frames += [(place, 0.14, 1) for place in set(found) if found.count(place) > 1 and step[0] == "Unpooled"]
        for (row, column), inset, line in frames:
            start, width = (column + inset, row + inset), 1 - 2 * inset
            axes.add_patch(Rectangle(start, width, width, fill=False, ec=style.MARK, lw=line))


def strongest(signal: np.ndarray) -> tuple[int, int]:
    """Return the first row and column of the block of pools with the most signal."""
    # the last pools of a map may reach beyond its border (ceil mode): the block leaves them out
    blocks = sliding_window_view(np.abs(signal[:-1, :-1]), (POOLED, POOLED)).sum((2, 3))
    y, x = np.unravel_index(blocks.argmax(), blocks.shape)
    return int(y), int(x)


def alternative(data: Data) -> str:
    """Return in words which activation goes up and comes down."""
    facts = data["steps.json"]
    return (
        f"An image of class {facts['class']} goes up through layers 1 and 2 of the trained network; the strongest "
        f"activation of layer 2, {amount(facts['activation'])} in map {facts['layer2_map']}, comes down again: "
        "filtered with the transposed filters, unpooled by the switches, rectified and filtered to pixels. Below, "
        "sixteen pools in numbers."
    )


def details(data: Data) -> Details:
    """Return each tensor's size and range."""
    rows = []
    for kind in ("map1", "pooled1", "map2", "kept", "filtered", "unpooled", "rectified", "reconstruction"):
        values = data["steps.safetensors"][kind]
        size, share = " × ".join(map(str, values.shape)), percent((values != 0).mean(), 1)
        rows.append((kind, size, amount(values.min()), amount(values.max()), share))
    return Details("Figure 1 in numbers", ("Tensor", "Size", "Smallest", "Largest", "Not zero"), rows)
