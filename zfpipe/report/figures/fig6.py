"""Fig. 6: layer-1 filters: (a) ours without clipping, (b) AlexNet's, (c) ours."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.errors import UserError
from zfpipe.report import style, tiles
from zfpipe.report.style import BODY, MARGIN, MUTED, Drawing

FOLDER = paths.FILTERS
PANELS = (
    ("zfnet-unclipped", "(a) Ours, without clipping"),
    ("alexnet", "(b) AlexNet, our replication"),
    ("zfnet", "(c) Ours"),
)
"""Run and title, lettered as in the paper; its (d) and (e) are layer-2 projections."""
PANEL, BETWEEN = 620, 50
HEADING, TOP = 28, 72
LINE = 34


@dataclass(frozen=True)
class Panel:
    """One network's filters as bytes, and the lines of numbers below them."""

    title: str
    pixels: np.ndarray
    lines: list[str]


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 6 from the arrays and numbers of the `filters` stage."""
    filters, numbers = read(folder)
    panels = [panel(title, filters.get(run), numbers.get(run)) for run, title in PANELS]
    tallest = max(panel.pixels.shape[0] for panel in panels)
    count = max(len(panel.lines) for panel in panels)
    footer = TOP + tallest + 16 + count * LINE + 44
    figure = style.blank(footer + 30)
    for place, shown in enumerate(panels):
        x = MARGIN + place * (PANEL + BETWEEN)
        style.write(figure, x, 44, shown.title, HEADING, weight="bold")
        style.place(figure, x, TOP, shown.pixels)
        for line, words in enumerate(shown.lines):
            style.write(figure, x, TOP + tallest + 16 + (line + 1) * LINE - 8, words, BODY)
    rule = "One scale in each panel: grey is zero, the panel's largest weight is full contrast. "
    rule += "A dead filter fires on no validation image."
    style.write(figure, MARGIN, footer, rule, BODY, color=MUTED)
    return figure


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Filters `(map, 3, y, x)` and numbers of every run in the folder."""
    arrays, numbers = folder / "filters.npz", folder / "filters.json"
    for path in (arrays, numbers):
        if not path.exists():
            raise UserError(f"{path} not found; make it: dvc repro filters")
    with np.load(arrays) as archive:
        filters = {name: archive[name] for name in archive.files}
    return filters, json.loads(numbers.read_text())


def panel(title: str, filters: np.ndarray | None, numbers: dict[str, Any] | None) -> Panel:
    """One panel; an empty one where the network was not trained."""
    if filters is None or numbers is None:
        return Panel(title, tiles.hatched(200, PANEL), ["not run"])
    columns = math.ceil(math.sqrt(1.5 * len(filters)))
    size = (PANEL + tiles.GAP) // columns - tiles.GAP
    size = max(size // filters.shape[-1], 1) * filters.shape[-1]  # every weight a square of the same size
    full = float(np.abs(filters).max()) or 1.0
    pictures = [tiles.scaled(style.shaded(one.transpose(1, 2, 0), full), size, size) for one in filters]
    return Panel(title, tiles.grid(pictures, columns), lines(numbers, len(filters)))


def lines(numbers: dict[str, Any], count: int) -> list[str]:
    """The numbers below a panel."""
    side, radius = numbers["filter_size"], numbers["renorm_radius"]
    clipping = "RMS not clipped" if radius is None else f"RMS clipped at {radius:g}"
    return [
        f"{count} filters of {side} × {side}, stride {numbers['stride']}",
        f"{clipping}; largest {numbers['rms_max']:.3g}",
        f"largest RMS {numbers['dominance']:.1f} times the median",
        f"{numbers['dead']:.0%} of the filters are dead" if numbers["dead"] else "no dead filters",
    ]


def alternative(folder: Path) -> str:
    """Fig. 6 in words."""
    rows = "; ".join(f"{row[0]} has a largest RMS {row[4]} times the median" for row in statistics(folder))
    return f"Layer-1 filters of three networks as small colour patterns. {rows}."


def details(folder: Path) -> dict[str, Any]:
    """The numbers of the figure as a table."""
    return {
        "title": "The numbers of Figure 6",
        "open": True,
        "columns": ("Network", "Filters", "RMS clipped at", "Largest RMS", "Times the median", "Dead"),
        "rows": statistics(folder),
    }


def statistics(folder: Path) -> list[tuple[str, ...]]:
    """Statistics of layer 1's filters, a row per network; the paper prints none beside sizes and strides."""
    _, numbers = read(folder)
    rows: list[tuple[str, ...]] = []
    for run, title in PANELS:
        if run not in numbers:
            rows.append((title, "not run", "–", "–", "–", "–"))
            continue
        found = numbers[run]
        radius = found["renorm_radius"]
        size = f"{found['filter_size']} × {found['filter_size']}, stride {found['stride']}"
        clipped = "not clipped" if radius is None else f"{radius:g}"
        shown = (f"{found['rms_max']:.3g}", f"{found['dominance']:.1f}", f"{found['dead']:.0%}")
        rows.append((title, size, clipped, *shown))
    return rows
