"""Fig. 5: five images moved, enlarged and turned: features of layers 1 and 7, the true class; and many images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, TITLE, WIDTH, Drawing

FOLDER = paths.INVARIANCE
KINDS = {
    "translation": ("Moved up and down", "pixels down of a {crop} × {crop} crop"),
    "scale": ("Enlarged", "factor"),
    "rotation": ("Turned", "degrees counterclockwise"),
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999", "#f0e442", "#7f3c8d")
"""Of the images, told apart by the colour-blind too (Okabe and Ito)."""
FIRST, TOP = COLOURS[0], COLOURS[1]
HEADING, PANEL, AXIS = 84, 250, 106
"""Heights in pixels: titles of columns, a chart, what stands below it."""
LOWER, LEGEND = 290, 56
"""Heights of a chart of all images, and of the words that name the colours."""
PICTURES, GAP = 410, 96
"""Width of the example images; between two charts."""


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 5 from the tables of the `invariance` stage."""
    table, summary, shown = read(folder)
    images = np.load(folder / "shown.npy")
    layers = sorted(table["layer"].unique().tolist())
    block = HEADING + len(KINDS) * (PANEL + AXIS)
    figure = style.blank(block + LEGEND + HEADING + 2 * (LOWER + AXIS) - 20)
    x0 = MARGIN + PICTURES + GAP
    width = (WIDTH - MARGIN - x0 - 2 * GAP) // 3
    lefts = [x0 + place * (width + GAP) for place in range(3)]
    titles = [f"Layer {layer}: distance" for layer in layers] + ["Probability of its class"]
    style.write(figure, MARGIN, 50, f"{len(shown)} images", TITLE, weight="bold")
    for left, title in zip(lefts, titles, strict=False):
        style.write(figure, left, 50, title, BODY + 4, weight="bold")
    for row, kind in enumerate(KINDS):
        top = HEADING + row * (PANEL + AXIS)
        pictures(figure, images[:, row], top)
        style.write(figure, MARGIN, top + PANEL + 44, KINDS[kind][0], BODY, color=MUTED)
        part = table.query("transform == @kind")
        for left, layer in zip(lefts, layers, strict=False):
            axes = chart(figure, (left, top, width, PANEL), kind, drawing.crop)
            curves(axes, of(part, "layer", layer), shown, "distance")
            axes.set_ylim(bottom=0)
        axes = chart(figure, (lefts[len(layers)], top, width, PANEL), kind, drawing.crop)
        curves(axes, of(part, "layer", layers[0]), shown, "p_true")
        axes.set_ylim(-0.03, 1.03)
    legend(figure, shown, block)
    many(figure, table, summary, block + LEGEND, drawing.crop, layers)
    return figure


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """All rows, the summary over images, and the images that are shown."""
    table = pd.read_parquet(present(folder / "invariance.parquet", "invariance"))
    return table, pd.read_csv(folder / "summary.csv"), pd.read_csv(folder / "shown.csv")


def pictures(figure: Figure, images: np.ndarray, top: int) -> None:
    """The example images `(image, step, y, x, 3)`: an image in each column, over the colour of its curves."""
    size = min((PANEL - 12) // images.shape[1], PICTURES // len(images)) - tiles.GAP
    small = [tiles.scaled(image[step], size, size) for step in range(images.shape[1]) for image in images]
    style.place(figure, MARGIN, top, tiles.grid(small, len(images)))
    for place, colour in zip(range(len(images)), COLOURS, strict=False):
        bottom = top + images.shape[1] * (size + tiles.GAP) + 2
        style.rectangle(figure, MARGIN + place * (size + tiles.GAP), bottom, size, 8, colour, edge="none")


def chart(figure: Figure, place: tuple[int, int, int, int], kind: str, crop: int) -> Axes:
    """Axes for one transformation at left, top, width, height in pixels."""
    axes = style.axes(figure, *place)
    axes.set_xlabel(KINDS[kind][1].format(crop=crop), fontsize=style.points(BODY))
    return axes


def curves(axes: Axes, rows: pd.DataFrame, shown: pd.DataFrame, column: str) -> None:
    """A line for each of the images."""
    for colour, image in zip(COLOURS, shown["id"], strict=False):
        one = of(rows, "id", image).sort_values("amount")
        axes.plot(one["amount"], one[column], color=colour, linewidth=2.2)
    axes.margins(x=0.01)


def legend(figure: Figure, shown: pd.DataFrame, top: int) -> None:
    """Which colour is which image."""
    x = MARGIN + PICTURES + GAP
    for colour, name in zip(COLOURS, shown["class"], strict=False):
        style.rectangle(figure, x, top - 30, 34, 8, colour, edge="none")
        style.write(figure, x + 44, top - 16, str(name), BODY)
        x += 90 + 13 * len(str(name))


def many(figure: Figure, table: pd.DataFrame, summary: pd.DataFrame, top: int, crop: int, layers: list[int]) -> None:
    """Median and quartiles over all images: both layers on one scale, and the output."""
    count = table["id"].nunique()
    style.write(figure, MARGIN, top + 40, f"{count} images: median and quartiles", TITLE, weight="bold")
    width = (WIDTH - 2 * MARGIN - 3 * GAP) // 3
    for column, kind in enumerate(KINDS):
        left = MARGIN + GAP - 30 + column * (width + GAP)
        rows = of(summary, "transform", kind).sort_values("amount")
        upper, lower = top + HEADING + 30, top + HEADING + LOWER + AXIS + 30
        axes = chart(figure, (left, upper, width, LOWER), kind, crop)
        axes.axhline(1, color=MUTED, linewidth=1.5, linestyle=":")
        for colour, layer in zip((FIRST, TOP), layers, strict=False):
            band(axes, of(rows, "layer", layer), "relative", colour, f"layer {layer}")
        axes.set_ylim(0, 1.25)
        if column == 0:
            axes.legend(loc="lower right", fontsize=style.points(BODY - 2), frameon=False)
        style.write(figure, left - 50, upper - 16, f"{KINDS[kind][0]}: distance (1: between two images)", BODY)
        axes = chart(figure, (left, lower, width, LOWER - 60), kind, crop)
        band(axes, of(rows, "layer", layers[0]), "p_true", "#333333", "true class")
        axes.set_ylim(-0.03, 1.03)
        style.write(figure, left - 50, lower - 16, "Probability of the true class", BODY)


def of(rows: pd.DataFrame, column: str, value: Any) -> pd.DataFrame:
    """The rows with this value in a column."""
    return pd.DataFrame(rows[rows[column] == value])


def band(axes: Axes, rows: pd.DataFrame, column: str, colour: str, label: str) -> None:
    """Median as a line, quartiles as a band."""
    axes.fill_between(
        rows["amount"], rows[f"{column}_low"], rows[f"{column}_high"], color=colour, alpha=0.22, linewidth=0
    )
    axes.plot(rows["amount"], rows[f"{column}_median"], color=colour, linewidth=2.4, label=label)
    axes.margins(x=0.01)


def alternative(folder: Path) -> str:
    """Fig. 5 in words."""
    rows = "; ".join(f"{row[0]}: {', '.join(row[1:])}" for row in details(folder)["rows"])
    return f"Curves of feature distances and of the true class's probability while images are transformed. {rows}."


def details(folder: Path) -> dict[str, Any]:
    """Medians over the images at a small and at the largest change."""
    _, summary, _ = read(folder)
    layers = sorted(summary["layer"].unique().tolist())
    rows = []
    for kind in KINDS:
        part = summary.query("transform == @kind")
        amounts = sorted(part["amount"].unique().tolist())
        none = 1.0 if kind == "scale" else 0.0
        changed = [amount for amount in amounts if amount > none]
        for amount in (changed[0], changed[len(changed) // 2], changed[-1]):
            at = part.query("amount == @amount").set_index("layer")
            distances = (f"{at.loc[layer, 'relative_median']:.2f}" for layer in layers)
            rows.append((f"{KINDS[kind][0]} {amount:g}", *distances, f"{at.loc[layers[0], 'p_true_median']:.2f}"))
    return {
        "title": "Medians over all images",
        "open": False,
        "columns": ("Change", *(f"Layer {layer}, 1: another image" for layer in layers), "True class"),
        "rows": rows,
    }
