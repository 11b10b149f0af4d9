"""Write the atlas: every feature map's strongest activations on sheets of small pictures, and a page to browse them."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import simplejpeg
from PIL import Image

from zfpipe import store
from zfpipe.report.engine import tiles
from zfpipe.report.engine.style import Drawing

COLUMNS, ROWS = 8, 4
"""Maps on a sheet, across and down."""
SHARP, LARGEST = 32, 96
"""Fields up to SHARP pixels are unscaled PNG; larger fields are JPEG in tiles of at most LARGEST pixels."""
QUALITY = 85
KINDS = ("projections", "patches")

HERE = Path(__file__).parent


@dataclass
class Sheets:
    """The sheets of one layer: each map is a square of tiles, with projections on one sheet and patches on another."""

    folder: Path
    layer: int
    receptive_field: int
    strongest: int
    drawing: Drawing
    waiting: dict[str, list[np.ndarray]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    files: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    @property
    def side(self) -> int:
        """Number of tiles along a side of a map's square."""
        return math.ceil(math.sqrt(self.strongest))

    @property
    def tile(self) -> int:
        """Side of a tile in pixels; whole JPEG blocks, so that neighbouring tiles don't affect each other."""
        whole = self.receptive_field
        return whole if whole <= SHARP else min(LARGEST, -(-whole // 16) * 16)

    def add(self, rows: pd.DataFrame, projections: np.ndarray, patches: np.ndarray) -> None:
        """Add the next map: its rows of the table by rank, projections and patches `(rank, y, x, 3)`."""
        fired = rows["activation"].to_numpy() > 0
        seen = [tiles.visible(box, self.drawing.crop) for box in rows[["x0", "y0", "x1", "y1"]].to_numpy()]
        shown = [
            tiles.contrast(one, where, self.drawing.percentile) for one, where in zip(projections, seen, strict=True)
        ]
        dead = tiles.hatched(self.tile, self.tile)
        for kind, pictures in zip(KINDS, (shown, patches), strict=True):
            small = [tiles.tile(one, where, self.tile) for one, where in zip(pictures, seen, strict=True)]
            small = [one if fires else dead for one, fires in zip(small, fired, strict=True)]
            self.waiting[kind].append(tiles.grid(small, self.side, 0, tiles.PAPER))
        if len(self.waiting["patches"]) == COLUMNS * ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the waiting maps as the next sheet of each kind."""
        for kind, squares in self.waiting.items():
            if squares:
                name = f"layer{self.layer}_{kind}{len(self.files[kind])}"
                self.files[kind].append(write_sheet(self.folder / name, squares, self.tile <= SHARP))
                squares.clear()


def write_sheet(path: Path, squares: list[np.ndarray], sharp: bool) -> str:
    """Write squares of one size in rows of COLUMNS; return the file's name with its suffix."""
    sheet = tiles.grid(squares, COLUMNS, 0, tiles.PAPER)
    path = path.with_suffix(".png" if sharp else ".jpg")
    with store.whole(path) as temporary:
        if sharp:
            Image.fromarray(sheet).save(temporary, format="PNG", optimize=True)
        else:
            temporary.write_bytes(simplejpeg.encode_jpeg(sheet, QUALITY, "RGB", "420"))
    return path.name


def write_filters(folder: Path, filters: np.ndarray) -> list[str]:
    """Write sheets of layer 1's filters `(map, y, x, 3)`, each scaled separately around mid-grey."""
    squares = [tiles.shaded(one, float(np.abs(one).max()) or 1.0) for one in filters]
    sheets = range(0, len(squares), COLUMNS * ROWS)
    return [
        write_sheet(folder / f"filters{number}", squares[first : first + COLUMNS * ROWS], sharp=True)
        for number, first in enumerate(sheets)
    ]


def described(sheets: Sheets, rows: pd.DataFrame, statistics: pd.DataFrame) -> dict[str, Any]:
    """Return the page's data on a layer; `statistics` has a row for each of its maps, in order."""
    tops: dict[int, list[list[float]]] = {}
    for row in rows.sort_values(by=["map", "rank"]).to_dict("records"):
        top = tops.setdefault(int(row["map"]), [])
        if row["activation"] > 0:
            top.append([int(row["id"]), int(row["label"]), rounded(row["activation"])])
    maps = [
        {name: rounded(row[name]) for name in ("fires", "mean", "largest")}
        | ({"settled": None if pd.isna(row["settled"]) else int(row["settled"])} if "settled" in row else {})
        | ({"finds": [row["concept"], rounded(row["iou"]), rounded(row["chance"])]} if row.get("found") is True else {})
        | {"top": tops[int(row["map"])]}
        for row in statistics.sort_values(by="map").to_dict("records")
    ]
    of_layer = {"layer": sheets.layer, "field": sheets.receptive_field, "side": sheets.side}
    return of_layer | {"sharp": sheets.tile <= SHARP, "sheets": sheets.files, "maps": maps}


def rounded(value: Any) -> float:
    """Return a number with four digits, which are enough to read."""
    return float(f"{float(value):.4g}")


def write_page(
    folder: Path, layers: Iterable[dict[str, Any]], classes: list[str], filters: list[str], images: int
) -> None:
    """Write the page, and its data as a script, since a page opened from disk may not fetch files."""
    data = {"columns": COLUMNS, "rows": ROWS, "images": images, "classes": classes, "filters": filters}
    data |= {"layers": list(layers)}
    page = (HERE / "page.html").read_text(encoding="utf-8")
    page = page.replace("/* style */", (HERE.parent / "page.css").read_text(encoding="utf-8"))
    script = f"const ATLAS = {json.dumps(data, separators=(',', ':'))};\n"
    store.save_all(folder, {"atlas.js": script, "index.html": page})
