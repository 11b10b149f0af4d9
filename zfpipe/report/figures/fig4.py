"""Fig. 4: how features evolve: each drawn map's strongest activation over the training images, after some epochs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.errors import UserError
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, TITLE, WIDTH, Drawing
from zfpipe.report.plotting.tiles import visible

FOLDER = paths.EVOLUTION
LINES = ((1, 2, 3), (4, 5))
"""Layers beside each other; the higher ones, with the larger receptive fields, get more room."""
HEADER, LAYER_TITLE, EPOCHS, REMARK = 66, 62, 36, 56
"""Heights in pixels: the figure's first line, a layer's title, the numbers of epochs, the line below."""
LABEL, BETWEEN, GAP = 96, 40, 8
"""Widths in pixels: a map's number, the room between two layers, that between two tiles."""
CHANGED = "#d95f02"


@dataclass(frozen=True)
class Block:
    """One layer: rows of the drawn maps and their projections `(map, epoch, y, x, 3)`; when all maps settled."""

    layer: int
    rows: pd.DataFrame
    projections: np.ndarray
    settled: pd.Series

    @property
    def maps(self) -> list[int]:
        """The drawn maps, in the order of axis 0."""
        return sorted(self.rows["map"].unique().tolist())

    @property
    def epochs(self) -> list[int]:
        """The snapshots, in the order of axis 1."""
        return sorted(self.rows["epoch"].unique().tolist())


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 4 from the tables and arrays of the `evolution` stage."""
    blocks = read(folder)
    lines = [[blocks[layer] for layer in line if layer in blocks] for line in LINES]
    lines = [line for line in lines if line]
    figure = style.blank(HEADER + sum(height(line) for line in lines) + MARGIN)
    rule = "Columns: epochs of training. Rows: feature maps. Orange bar: another image than before excites it most."
    style.write(figure, MARGIN, 40, rule)
    top = HEADER
    for line in lines:
        for place, block in enumerate(line):
            draw_layer(figure, block, MARGIN + place * (width(line) + BETWEEN), top, tile(line), drawing)
        top += height(line)
    return figure


def read(folder: Path) -> dict[int, Block]:
    """The layers in the folder."""
    table = present(folder / "evolution.parquet", "evolution")
    rows, settled = pd.read_parquet(table).query("drawn"), pd.read_csv(folder / "settled.csv")
    found = {}
    for layer in sorted(rows["layer"].unique().tolist()):
        part = rows.query("layer == @layer").sort_values(["map", "epoch"])
        projections = np.load(folder / f"layer{layer}.npy")
        if projections.shape[0] * projections.shape[1] != len(part):
            raise UserError(f"{folder}: layer {layer}'s array and table differ; make them: dvc repro -f evolution")
        found[layer] = Block(layer, part, projections, settled.loc[settled["layer"] == layer, "epoch"])
    return found


def width(line: list[Block]) -> int:
    """Width of one of the layers beside each other."""
    return (WIDTH - 2 * MARGIN - (len(line) - 1) * BETWEEN) // len(line)


def tile(line: list[Block]) -> int:
    """Side of a tile."""
    count = max(len(block.epochs) for block in line)
    return min(160, (width(line) - LABEL) // count - GAP)


def height(line: list[Block]) -> int:
    """Height of a line of layers."""
    return LAYER_TITLE + EPOCHS + max(len(block.maps) for block in line) * (tile(line) + GAP) + REMARK


def draw_layer(figure: Figure, block: Block, left: int, top: int, size: int, drawing: Drawing) -> None:
    """One layer: its maps in rows, its epochs in columns."""
    field = block.projections.shape[2]
    style.write(figure, left, top + 40, f"Layer {block.layer}", TITLE, weight="bold")
    style.write(figure, left + 170, top + 40, f"{field} × {field} pixels each", color=MUTED)
    first = top + LAYER_TITLE + EPOCHS
    for column, epoch in enumerate(block.epochs):
        x = left + LABEL + column * (size + GAP)
        style.write(figure, x + size / 2, first - 10, str(epoch), BODY, ha="center", color=MUTED)
    for row, number in enumerate(block.maps):
        y = first + row * (size + GAP)
        style.write(figure, left, y + size / 2 + 8, f"map {number}", BODY - 2)
        before = None
        for column, one in enumerate(block.rows.query("map == @number").to_dict("records")):
            x = left + LABEL + column * (size + GAP)
            seen = visible(np.array([one[side] for side in ("x0", "y0", "x1", "y1")]), drawing.crop)
            shown = style.contrast(block.projections[row, column], seen, drawing.percentile)
            pixels = tiles.tile(shown, seen, size) if one["activation"] > 0 else tiles.hatched(size, size)
            style.place(figure, x, y, pixels)
            if before is not None and before != one["id"]:
                style.rectangle(figure, x - GAP + 2, y, 4, size, CHANGED, "none")
            before = one["id"]
    style.write(figure, left, first + len(block.maps) * (size + GAP) + 26, remark(block), BODY - 2, color=MUTED)


def remark(block: Block) -> str:
    """When the layer's maps settled."""
    dead = int(block.settled.isna().sum())
    half = reached(block, 0.5)
    words = f"half of its maps settle by epoch {half:g}" if np.isfinite(half) else "more than half of its maps are dead"
    return words + (f", {dead} never" if dead and np.isfinite(half) else "")


def reached(block: Block, share: float) -> float:
    """The epoch by which so many of the layer's maps have settled; infinite: they never do."""
    return float(np.quantile(block.settled.fillna(np.inf), share, method="inverted_cdf"))


def alternative(folder: Path) -> str:
    """Fig. 4 in words."""
    blocks = read(folder)
    epochs = ", ".join(str(epoch) for epoch in next(iter(blocks.values())).epochs)
    words = "; ".join(f"layer {layer}: {remark(block)}" for layer, block in blocks.items())
    return f"Projections of each drawn map's strongest activation after epochs {epochs}. {words}."


def details(folder: Path) -> dict[str, Any]:
    """When the maps of each layer settle, as a table."""
    rows = []
    for layer, block in read(folder).items():
        epochs = (reached(block, share) for share in (0.25, 0.5, 0.75))
        quartiles = (f"{epoch:g}" if np.isfinite(epoch) else "–" for epoch in epochs)
        rows.append((layer, len(block.settled), *quartiles, int(block.settled.isna().sum())))
    return {
        "title": "The epoch from which a map's activations correlate at least 0.9 with what they end as",
        "open": True,
        "columns": ("Layer", "Maps", "A quarter settled", "Half", "Three quarters", "Dead"),
        "rows": rows,
    }
