"""Fig. 3: the architecture, drawn from the sizes measured in the built network."""

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from zfpipe import paths
from zfpipe.report.engine import style
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.measure import number, percent

ARTEFACT = Artefact(
    name="Figure 3",
    section="3",
    title="The architecture of the network",
    caption="The network under the microscope, layer by layer. The sizes were read off the built network while an "
    "image went through it, so the figure is right for any parameters.",
    paper="Eight layers: five of convolutions, two fully connected and a softmax; max pooling after layers 1, 2 and 5, "
    "contrast normalisation after the first two of them.",
    folder=paths.SHAPES,
    made_by=("figure@3", "shapes"),
    printed="Published, for 224 × 224 pixels: 96, 256, 384, 384 and 256 maps of 110, 26, 13, 13 and 13 pixels a side, "
    "then 4,096 and 4,096 units and 1,000 classes.",
    parameters=("runs.zfnet", "crops.size"),
    results={"zfnet.json": "the layers"},
)
METHODS = ""
LENGTH, HEIGHT = 9, 2.7
"""Blocks in a row, and a row's height in units of which a row is LENGTH wide: the paper's network fills one row."""
SMALLEST, RANGE, SHEETS, STEP = 0.11, 0.6, 4, 0.032
"""A 1 x 1 map's square, how much larger one of the image's size is; squares in a stack, and the step between two."""
NAME = 18
"""Largest number of characters of a layer's name in one line."""
COLOURS = {
    "input": "#d9d4c7",
    "conv": "#9ecae1",
    "maps": "#a6bddb",
    "hidden": "#fdbe85",
    "softmax": "#fd8d3c",
    "filter": "#08519c",
}
ARROW = {"arrowstyle": "-|>", "color": style.MUTED, "linewidth": 1.5, "mutation_scale": 16, "shrinkA": 4, "shrinkB": 4}


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw the layers in rows: each as a stack of maps or a bar of units, its numbers below it."""
    layers = data["zfnet.json"]
    rows, column = -(-len(layers) // LENGTH), LENGTH / min(LENGTH, len(layers))
    figure = style.figure(rows * HEIGHT * style.WIDTH / LENGTH + 60)
    axes = style.bare(figure.subplots())
    axes.set(xlim=(0, LENGTH), ylim=(rows * HEIGHT, 0), aspect="equal", anchor="N")
    end = 0.0
    for place, (layer, above) in enumerate(zip(layers, [*layers[1:], {}], strict=True)):
        top, x = place // LENGTH * HEIGHT, (place % LENGTH + 0.5) * column
        axes.text(x, top + 0.2, heading(layer), fontsize=18, weight="bold", ha="center")
        below = [part for line in lines(layer) for part in (folded(line) if line == layer.get("name") else [line])]
        for under, line in enumerate(below):
            axes.text(x, top + 1.75 + under * 0.15, line, ha="center", color=style.MUTED if under else style.INK)
        half = block(axes, layer, above.get("filter_size"), x, top + 0.95, layers[0]["size"])
        if place:
            axes.annotate("", (x - half, top + 0.95), (end if place % LENGTH else 0, top + 0.95), arrowprops=ARROW)
        end = x + half
    counts = [layer.get("parameters", 0) for layer in layers]
    most = heading(layers[counts.index(max(counts))]).lower().replace("softmax", "the softmax")
    words = f"{number(sum(counts), 0)} weights and biases, {percent(max(counts) / sum(counts))} of them in {most}."
    filters = "; the dark square is the next layer's filter" if any("filter_size" in layer for layer in layers) else ""
    sees = " A unit sees so many pixels of the image." if any(layer["kind"] == "maps" for layer in layers) else ""
    style.note(figure, f"{words} Squares grow with the side of the maps{filters}.{sees}")
    return figure


def heading(layer: dict[str, Any]) -> str:
    """Return the text above a block."""
    return {"input": "Image", "softmax": "Softmax"}.get(layer["kind"], f"Layer {layer.get('layer')}")


def lines(layer: dict[str, Any]) -> list[str]:
    """Return the text below a block: the filter's output, then the operations."""
    if "units" in layer:
        units = "classes" if layer["kind"] == "softmax" else "units"
        below = [f"from {number(layer['units_in'], 0)}"] if "units_in" in layer else []
        return [f"{number(layer['units'], 0)} {units}", *below]
    size = f"{layer['size']} × {layer['size']}"
    if layer["kind"] == "input":
        return [f"{layer['maps']} colours", size, "minus the mean"]
    if layer["kind"] == "maps":
        field = f"{layer['field']} × {layer['field']}"
        return [f"{number(layer['maps'], 0)} maps", size, layer["name"], f"sees {field}"]
    filters = f"{layer['filter_size']} × {layer['filter_size']} filters"
    found = [f"{number(layer['maps'], 0)} maps", size, filters, f"stride {layer['stride']}, ReLU"]
    normalised = ["normalised"] * layer["normed"]
    if layer["before_pool"]:
        found += normalised
    if layer["pooled"]:
        side, stride = layer["pool"]
        found += [f"max pool {side} × {side}", f"stride {stride}: {layer['pooled']} × {layer['pooled']}"]
    return found if layer["before_pool"] else found + normalised


def folded(name: str) -> list[str]:
    """Return a layer's name in lines that fit below its block, broken after dots where possible."""
    return [line.replace(". ", ".") for line in textwrap.wrap(name.replace(".", ". "), NAME)]


def block(axes: Axes, layer: dict[str, Any], filter_size: int | None, x: float, y: float, image: int) -> float:
    """Draw a stack of square maps with the next layer's filter, or a bar of units. Return half of its width."""

    def box(x: float, y: float, width: float, height: float, kind: str) -> None:
        axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, fc=COLOURS[kind], ec=style.INK))

    if "units" in layer:
        box(x, y, 0.13, 0.9, layer["kind"])
        return 0.065
    side, reach = SMALLEST + RANGE * layer["size"] / image, (SHEETS - 1) * STEP / 2
    for sheet in range(SHEETS):
        box(x + reach - sheet * STEP, y - reach + sheet * STEP, side, side, layer["kind"])
    if filter_size is not None:
        window = side * min(1, filter_size / (layer.get("pooled") or layer["size"]))
        box(x - reach, y + reach, window, window, "filter")
    return side / 2 + reach


def alternative(data: Data) -> str:
    """Return the figure in words."""
    words = [f"{heading(layer)}: {', '.join(lines(layer))}." for layer in data["zfnet.json"]]
    return f"The layers of the network in a row. {' '.join(words)}"


def details(data: Data) -> Details:
    """Return the figure as a table."""
    rows = []
    for layer in data["zfnet.json"]:
        made, *how = lines(layer)
        rows.append((heading(layer), made, "; ".join(how), number(layer.get("parameters", 0), 0)))
    return Details("Figure 3 as a table", ("Layer", "Output", "Made by", "Weights and biases"), rows)
