"""Fig. 3: the architecture, drawn from the sizes that the built network really has."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import style
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, WIDTH

FOLDER = paths.SHAPES
LENGTH, HEIGHT = 9, 590
"""Layers in a row, and its height in pixels: the paper's network fills one row, deeper ones go on below."""
MIDDLE, CAPTION = 205, 375
"""Where the blocks of a row are centred and where the words below them begin, in pixels from its top."""
REMARK = 50
SMALLEST, RANGE = 24, 130
"""Side of the square of a 1 x 1 map, and how much larger one of the image's size is, in pixels."""
SHEETS, STEP = 4, 7
"""Squares in a stack of maps, and how far each stands behind the next."""
LINE = 33
COLOURS = {"input": "#d9d4c7", "conv": "#9ecae1", "hidden": "#fdbe85", "softmax": "#fd8d3c"}


def draw(folder: Path, drawing: style.Drawing) -> Figure:
    """Draws Fig. 3 from the table of the `shapes` stage."""
    layers = read(folder)
    rows = list(batched(zip(layers, [*layers[1:], {}], strict=True), LENGTH))
    height = len(rows) * HEIGHT + REMARK
    figure = style.blank(height)
    column = (WIDTH - 2 * MARGIN) / min(LENGTH, len(layers))
    for number, row in enumerate(rows):
        top, edges = number * HEIGHT, []
        for place, (layer, above) in enumerate(row):
            centre = MARGIN + (place + 0.5) * column
            style.write(figure, centre, top + 50, heading(layer), 26, weight="bold", ha="center")
            filter_size = above.get("filter_size")
            edges.append(block(figure, layer, filter_size, (centre, top + MIDDLE), layers[0]["size"]))
            for under, line in enumerate(lines(layer)):
                look = {"color": MUTED} if under else {}
                style.write(figure, centre, top + CAPTION + under * LINE, line, BODY, ha="center", **look)
        for (_, end), (start, _) in pairwise(edges):
            style.arrow(figure, (end + 6, top + MIDDLE), (start - 6, top + MIDDLE))
    style.write(figure, MARGIN, height - 24, weights(layers), BODY, color=MUTED)
    return figure


def batched(items: Iterable[Any], count: int) -> Iterator[tuple[Any, ...]]:
    """Tuples of `count` items, the last one perhaps shorter (itertools has it from Python 3.12 on)."""
    iterator = iter(items)
    while batch := tuple(islice(iterator, count)):
        yield batch


def read(folder: Path) -> list[dict[str, Any]]:
    """The layers, the image first."""
    return json.loads(present(folder / "zfnet.json", "shapes").read_text())


def heading(layer: dict[str, Any]) -> str:
    """What stands above a block."""
    return {"input": "Image", "softmax": "Softmax"}.get(layer["kind"], f"Layer {layer.get('layer')}")


def lines(layer: dict[str, Any]) -> list[str]:
    """What stands below a block: what comes out of the filter, then what is done."""
    if layer["kind"] in ("hidden", "softmax"):
        units = "classes" if layer["kind"] == "softmax" else "units"
        return [f"{layer['units']:,} {units}", f"from {layer['units_in']:,}"]
    size = f"{layer['size']} × {layer['size']}"
    if layer["kind"] == "input":
        return [f"{layer['maps']} colours", size, "minus the mean"]
    found = [f"{layer['maps']:,} maps", size]
    found += [f"{layer['filter_size']} × {layer['filter_size']} filters", f"stride {layer['stride']}, ReLU"]
    if layer["pooled"]:
        side, stride = layer["pool"]
        found += [f"max pool {side} × {side}", f"stride {stride}: {layer['pooled']} × {layer['pooled']}"]
    return found + ["normalised"] * layer["normed"]


def block(
    figure: Figure, layer: dict[str, Any], filter_size: int | None, at: tuple[float, float], image: int
) -> tuple[float, float]:
    """A stack of square maps with the next layer's filter, or a bar of units; returns where it begins and ends."""
    colour, (centre, middle) = COLOURS[layer["kind"]], at
    if "units" in layer:
        style.rectangle(figure, centre - 14, middle - 95, 28, 190, colour)
        return centre - 14, centre + 14
    side = SMALLEST + RANGE * layer["size"] / image
    reach = (SHEETS - 1) * STEP / 2
    for sheet in range(SHEETS):
        shift = reach - sheet * STEP
        style.rectangle(figure, centre - side / 2 + shift, middle - side / 2 - shift, side, side, colour)
    if filter_size is not None:
        window = side * min(1, filter_size / (layer.get("pooled") or layer["size"]))
        style.rectangle(figure, centre - reach - window / 2, middle + reach - window / 2, window, window, "#08519c")
    return centre - side / 2 - reach, centre + side / 2 + reach


def weights(layers: list[dict[str, Any]]) -> str:
    """Where the weights are."""
    counts = {heading(layer): layer["parameters"] for layer in layers if "parameters" in layer}
    most = max(counts, key=lambda name: counts[name])
    total = sum(counts.values())
    return (
        f"{total:,} weights and biases, {counts[most] / total:.0%} of them in {most[0].lower()}{most[1:]}. Squares "
        "grow with the side of the maps; the dark square is the filter of the next layer."
    )


def alternative(folder: Path) -> str:
    """Fig. 3 in words."""
    return "The layers of the network in a row. " + " ".join(
        f"{heading(layer)}: {', '.join(lines(layer))}." for layer in read(folder)
    )


def details(folder: Path) -> dict[str, Any]:
    """The figure as a table."""
    return {
        "title": "Figure 3 as a table",
        "open": False,
        "columns": ("Layer", "Output", "Made by", "Weights and biases"),
        "rows": [
            (heading(layer), lines(layer)[0], "; ".join(lines(layer)[1:]), f"{layer.get('parameters', 0):,}")
            for layer in read(folder)
        ],
    }
