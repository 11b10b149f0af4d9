"""Fig. 2: what excites feature maps: the strongest activations projected to pixels, beside their image patches."""

import math
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
from zfpipe.report.plotting.agreement import maps, shortened, summary, tally
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, TITLE, WIDTH, Drawing

FOLDER = paths.PROJECTIONS
HEADER, LAYER_TITLE, LABEL = 60, 86, 34
"""Heights in pixels: the figure's first lines, a layer's title, the number above a map."""
BETWEEN, INSIDE = 18, 8
"""Pixels between two maps, and between a map's projections and its patches."""


@dataclass(frozen=True)
class Block:
    """One layer: its rows of the table, projections and patches `(map, rank, y, x, 3)`, and maps per line."""

    layer: int
    rows: pd.DataFrame
    projections: np.ndarray
    patches: np.ndarray
    columns: int

    @property
    def maps(self) -> list[int]:
        """The drawn maps, in the order of axis 0."""
        return sorted(self.rows["map"].unique().tolist())

    @property
    def side(self) -> int:
        """Tiles along a side of a map's square."""
        return math.ceil(math.sqrt(self.projections.shape[1]))

    @property
    def pair(self) -> int:
        """Width of a map's projections and patches together."""
        return 2 * self.square + INSIDE

    @property
    def tile(self) -> int:
        """Side of a tile, as large as `columns` maps on a line allow; much magnified, pixels are all of one size."""
        room = (WIDTH - 2 * MARGIN - (self.columns - 1) * BETWEEN) // self.columns
        size = ((room - INSIDE) // 2 + tiles.GAP) // self.side - tiles.GAP
        field = self.projections.shape[2]
        return size // field * field if size >= 3 * field else size

    @property
    def square(self) -> int:
        """Side of the square of a map's projections."""
        return self.side * (self.tile + tiles.GAP) - tiles.GAP

    @property
    def height(self) -> int:
        """Height with the title."""
        return LAYER_TITLE + math.ceil(len(self.maps) / self.columns) * (LABEL + self.square + BETWEEN)


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 2 from the tables and arrays of the `projections` stage."""
    blocks = read(folder)
    figure = style.blank(HEADER + sum(block.height for block in blocks) + MARGIN)
    strongest = blocks[0].projections.shape[1]
    style.write(
        figure,
        MARGIN,
        40,
        f"Each pair of squares is one feature map: its {strongest} strongest activations, projected to pixels "
        "(left; grey is zero), and the image patches behind them (right)",
    )
    top = HEADER
    for block in blocks:
        draw_layer(figure, block, top, drawing)
        top += block.height
    return figure


def read(folder: Path) -> list[Block]:
    """The layers in the folder, lowest first; layer 1, whose patches are tiny, takes less room."""
    rows = pd.read_parquet(present(folder / "projections.parquet", "projections"))
    blocks = []
    for layer in sorted(rows["layer"].unique().tolist()):
        part = rows.query("layer == @layer").sort_values(by=["map", "rank"])
        projections, patches = (np.load(folder / f"layer{layer}{kind}.npy") for kind in ("", "_patches"))
        if projections.shape != patches.shape or projections.shape[0] * projections.shape[1] != len(part):
            raise UserError(
                f"{folder}: layer {layer}'s arrays and table do not match; make them: dvc repro -f projections"
            )
        blocks.append(Block(layer, part, projections, patches, 8 if layer == 1 else 4))
    return blocks


def draw_layer(figure: Figure, block: Block, top: int, drawing: Drawing) -> None:
    """Draws one layer, its title first."""
    field = block.projections.shape[2]
    style.write(figure, MARGIN, top + 52, f"Layer {block.layer}", TITLE, weight="bold")
    style.write(figure, MARGIN + 190, top + 52, f"each tile is {field} × {field} pixels of an image", color=MUTED)
    for place, number in enumerate(block.maps):
        rows = block.rows.query("map == @number")
        x = MARGIN + place % block.columns * (block.pair + BETWEEN)
        y = top + LAYER_TITLE + place // block.columns * (LABEL + block.square + BETWEEN)
        style.write(figure, x, y + LABEL - 10, f"map {number}", BODY)
        remark = "dead" if not fires(rows).any() else agreement(rows) if block.columns < 8 else ""
        style.write(figure, x + block.pair, y + LABEL - 10, remark, BODY, color=MUTED, ha="right")
        for offset, pixels in squares(block, place, rows, drawing):
            style.place(figure, x + offset, y + LABEL, pixels)


def squares(block: Block, place: int, rows: pd.DataFrame, drawing: Drawing) -> list[tuple[int, np.ndarray]]:
    """A map's square of projections and its square of patches, each with where it begins."""
    size = block.tile
    left, right = [], []
    for rank, (fired, box) in enumerate(zip(fires(rows), rows[["x0", "y0", "x1", "y1"]].to_numpy(), strict=True)):
        if fired:
            seen = tiles.visible(box, drawing.crop)
            shown = style.contrast(block.projections[place, rank], seen, drawing.percentile)
            left.append(tiles.tile(shown, seen, size))
            right.append(tiles.tile(block.patches[place, rank], seen, size))
        else:
            left.append(tiles.hatched(size, size))
            right.append(tiles.hatched(size, size))
    return [(0, tiles.grid(left, block.side)), (block.square + INSIDE, tiles.grid(right, block.side))]


def fires(rows: pd.DataFrame) -> np.ndarray:
    """Which of the activations are any at all: a dead map's are zero, and so have no projection."""
    return rows["activation"].to_numpy() > 0


def agreement(rows: pd.DataFrame) -> str:
    """The class that most of a map's images belong to, such as `husky 7 of 9`."""
    name, count, total = tally(rows)
    if count == 1 < total:
        return f"{total} classes"
    return f"{shortened(name, 22)} {count} of {total}"


def alternative(folder: Path) -> str:
    """Fig. 2 in words."""
    return summary(pd.read_parquet(folder / "projections.parquet"))


def details(folder: Path) -> dict[str, Any]:
    """What each map's images have in common, which the pictures can't tell everyone."""
    return {
        "title": "Figure 2 in words",
        "open": False,
        "columns": ("Layer", "Map", "Most frequent class"),
        "rows": maps(pd.read_parquet(folder / "projections.parquet")),
    }
