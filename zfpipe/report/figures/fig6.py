"""Fig. 6: layer-1 filters of (a) ours without clipping, (b) AlexNet, (c) ours; layer 2 of (d) AlexNet, (e) ours."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from safetensors.numpy import load_file

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, WIDTH, Drawing

FOLDER = paths.FILTERS
PANELS = (
    ("zfnet-unclipped", "(a) Ours, without clipping"),
    ("alexnet", "(b) AlexNet, our replication"),
    ("zfnet", "(c) Ours"),
)
LAYER2 = (("alexnet", "(d) AlexNet, layer 2"), ("zfnet", "(e) Ours, layer 2"))
"""Run and title, lettered as in the paper."""
BETWEEN = 50
HEADING, TOP = 28, 72
LINE = 34
SHOWN = 256
"""At most so many layer-2 maps are drawn, the first ones: all of the paper's network."""


@dataclass(frozen=True)
class Panel:
    """Pictures of one network as bytes, and the lines of numbers below them."""

    title: str
    pixels: np.ndarray
    lines: list[str]


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 6 from the arrays and numbers of the `filters` stage."""
    pictures, numbers = read(folder)
    rows = [
        [layer1(title, pictures[run], numbers[run], room(PANELS)) for run, title in PANELS],
        [
            layer2(title, pictures[f"{run} layer 2"], numbers[run], room(LAYER2), drawing.percentile)
            for run, title in LAYER2
        ],
    ]
    figure = style.blank(sum(height(row) for row in rows) + 2 * LINE + 30)
    top = 0
    for row in rows:
        place(figure, row, top)
        top += height(row)
    rules = (
        "Layer 1: one scale in each panel: grey is zero, the panel's largest weight is full contrast. A dead filter "
        "fires on no validation image.",
        "Layer 2: each map's strongest activation, projected and scaled alone. Aliasing: power at the stride's "
        "frequency over that beside it; 1 is none.",
    )
    for number, rule in enumerate(rules):
        style.write(figure, MARGIN, top + (number + 1) * LINE, rule, BODY, color=MUTED)
    return figure


def room(panels: tuple[tuple[str, str], ...]) -> int:
    """Width of one of some panels beside each other."""
    return (WIDTH - 2 * MARGIN - (len(panels) - 1) * BETWEEN) // len(panels)


def height(row: list[Panel]) -> int:
    """Height of a row of panels with titles and numbers."""
    return TOP + max(panel.pixels.shape[0] for panel in row) + 16 + max(len(panel.lines) for panel in row) * LINE + 20


def place(figure: Figure, row: list[Panel], top: int) -> None:
    """Puts a row of panels on the figure; the numbers of all begin at one height."""
    tallest = max(panel.pixels.shape[0] for panel in row)
    for number, shown in enumerate(row):
        x = MARGIN + number * ((WIDTH - 2 * MARGIN + BETWEEN) // len(row))
        style.write(figure, x, top + 44, shown.title, HEADING, weight="bold")
        style.place(figure, x, top + TOP, shown.pixels)
        for line, words in enumerate(shown.lines):
            style.write(figure, x, top + TOP + tallest + 16 + (line + 1) * LINE - 8, words, BODY)


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Filters `(map, 3, y, x)`, layer-2 projections `(map, y, x, 3)` and numbers of every run in the folder."""
    arrays, numbers = (present(folder / f"filters.{kind}", "filters") for kind in ("safetensors", "json"))
    return load_file(arrays), json.loads(numbers.read_text())


def layer1(title: str, filters: np.ndarray, numbers: dict[str, Any], width: int) -> Panel:
    """A network's filters."""
    columns = math.ceil(math.sqrt(1.5 * len(filters)))
    size = (width + tiles.GAP) // columns - tiles.GAP
    size = max(size // filters.shape[-1], 1) * filters.shape[-1]  # every weight a square of the same size
    full = float(np.abs(filters).max()) or 1.0
    pictures = [tiles.scaled(style.shaded(one.transpose(1, 2, 0), full), size, size) for one in filters]
    return Panel(title, tiles.grid(pictures, columns), lines(numbers, len(filters)))


def layer2(title: str, projections: np.ndarray, numbers: dict[str, Any], width: int, percentile: float) -> Panel:
    """A network's layer-2 projections, by the contrast rule of Fig. 2; maps that never fire are hatched."""
    shown = projections[:SHOWN]
    columns = math.ceil(math.sqrt(len(shown)))
    size = (width + tiles.GAP) // columns - tiles.GAP
    size = size // shown.shape[1] * shown.shape[1] or size
    everywhere = np.ones(shown.shape[1:3], bool)
    pictures = [
        tiles.scaled(style.contrast(one, everywhere, percentile), size, size)
        if one.any()
        else tiles.hatched(size, size)
        for one in shown
    ]
    dead = int((~projections.any((1, 2, 3))).sum())
    words = [
        f"{len(shown)} of {len(projections)} maps, {shown.shape[1]} × {shown.shape[1]} pixels each"
        + (f"; {dead} dead" if dead else ""),
        f"aliasing at the stride of layer 1, {numbers['stride']} pixels: {numbers['aliasing']:.2f}",
    ]
    return Panel(title, tiles.grid(pictures, columns), words)


def lines(numbers: dict[str, Any], count: int) -> list[str]:
    """The numbers below layer 1."""
    side, radius = numbers["filter_size"], numbers["renorm_radius"]
    clipping = "RMS not clipped" if radius is None else f"RMS clipped at {radius:g}"
    return [
        f"{count} filters of {side} × {side}, stride {numbers['stride']}",
        f"{clipping}; largest {numbers['rms_max']:.3g}",
        f"largest RMS {numbers['dominance']:.1f} times the median",
        f"{numbers['dead']:.0%} of the filters are dead" if numbers["dead"] else "no dead filters",
        f"low / middle / high frequencies: {numbers['low']:.0%} / {numbers['middle']:.0%} / {numbers['high']:.0%}",
    ]


def alternative(folder: Path) -> str:
    """Fig. 6 in words."""
    rows = "; ".join(f"{row[0]} has a largest RMS {row[4]} times the median" for row in statistics(folder))
    return f"Layer-1 filters of three networks as small colour patterns, and layer-2 projections of two. {rows}."


def details(folder: Path) -> dict[str, Any]:
    """The numbers of the figure as a table."""
    return {
        "title": "The numbers of Figure 6",
        "open": True,
        "columns": (
            "Network",
            "Filters",
            "RMS clipped at",
            "Largest RMS",
            "Times the median",
            "Dead",
            "Low frequencies",
            "Middle",
            "High",
            "Aliasing in layer 2",
        ),
        "rows": statistics(folder),
    }


def statistics(folder: Path) -> list[tuple[str, ...]]:
    """Statistics, a row per network; the paper prints none beside sizes and strides."""
    _, numbers = read(folder)
    rows: list[tuple[str, ...]] = []
    for run, title in PANELS:
        found = numbers[run]
        radius = found["renorm_radius"]
        size = f"{found['filter_size']} × {found['filter_size']}, stride {found['stride']}"
        clipped = "not clipped" if radius is None else f"{radius:g}"
        shown = (f"{found['rms_max']:.3g}", f"{found['dominance']:.1f}", f"{found['dead']:.0%}")
        bands = (f"{found[band]:.0%}" for band in ("low", "middle", "high"))
        rows.append((title, size, clipped, *shown, *bands, f"{found['aliasing']:.2f}"))
    return rows
