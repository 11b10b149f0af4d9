"""How every figure looks and is saved: sizes in pixels, one contrast rule, the same bytes every time."""

import textwrap
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from zfpipe import store

DPI = 100
WIDTH = 2000
"""Of every figure, in pixels: the page shows it at about 1,200, where BODY is still read easily."""
MARGIN = 20
TITLE, BODY = 34, 22
"""Sizes of letters, in pixels."""

INK, MUTED = "#1b1b1a", "#5d5d58"
PAPER, HATCH, GREY = 240, 196, 128
"""Shades: nothing there (beyond the image's border), the lines of what is dead, and a projection's zero."""


@dataclass(frozen=True)
class Drawing:
    """What figures need from params.yaml: `percentile` of the contrast rule and the side of a crop in pixels."""

    percentile: float
    crop: int


def context() -> AbstractContextManager[Any]:
    """Matplotlib's own defaults, whatever the user's matplotlibrc says."""
    return matplotlib.style.context("default")


def blank(height: int) -> Figure:
    """An empty white figure of WIDTH x `height` pixels."""
    with context():
        figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        return figure


def notice(words: str) -> Figure:
    """A figure that says why there is none."""
    lines = textwrap.wrap(words, 150)
    figure = blank(2 * MARGIN + len(lines) * 34)
    for number, line in enumerate(lines):
        write(figure, MARGIN, MARGIN + 26 + 34 * number, line, color=MUTED)
    return figure


def write(figure: Figure, x: float, y: float, words: str, size: int = BODY, **options: Any) -> None:
    """Writes words with their baseline at `(x, y)`, in pixels from the top left."""
    height = figure.get_figheight() * DPI
    look = {"color": INK, "ha": "left", "va": "baseline", **options}
    with context():
        figure.text(x / WIDTH, 1 - y / height, words, fontsize=size * 72 / DPI, parse_math=False, **look)


def place(figure: Figure, x: int, y: int, pixels: np.ndarray) -> None:
    """Puts RGB pixels unscaled with their top left corner at `(x, y)`, in pixels from the top left."""
    height = round(figure.get_figheight() * DPI)
    with context():
        figure.figimage(pixels, xo=x, yo=height - y - pixels.shape[0], origin="upper")


def rectangle(
    figure: Figure, left: float, top: float, width: float, height: float, colour: Any, edge: Any = INK, line: float = 1
) -> None:
    """A rectangle in pixels from the top left; a `colour` of "none" leaves it open."""
    total = figure.get_figheight() * DPI
    corner = (left / WIDTH, 1 - (top + height) / total)
    with context():
        figure.add_artist(
            Rectangle(corner, width / WIDTH, height / total, facecolor=colour, edgecolor=edge, linewidth=line)
        )


def points(pixels: float) -> float:
    """A size of letters in matplotlib's points."""
    return pixels * 72 / DPI


def axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes for a chart at a place in pixels from the top left; what is written outside them needs room there."""
    total = figure.get_figheight() * DPI
    with context():
        found = figure.add_axes((left / WIDTH, 1 - (top + height) / total, width / WIDTH, height / total))
        found.tick_params(labelsize=points(BODY - 2), colors=MUTED, labelcolor=INK, pad=7)
        for side in ("top", "right"):
            found.spines[side].set_visible(False)
        found.grid(axis="y", color="#dddddd", linewidth=0.8)
        found.set_axisbelow(True)
    return found


def arrow(figure: Figure, start: tuple[float, float], end: tuple[float, float]) -> None:
    """An arrow between two points, in pixels from the top left."""
    total = figure.get_figheight() * DPI
    points = [(x / WIDTH, 1 - y / total) for x, y in (start, end)]
    with context():
        figure.add_artist(
            FancyArrowPatch(points[0], points[1], arrowstyle="-|>", mutation_scale=16, color=MUTED, linewidth=1.5)
        )


def contrast(projection: np.ndarray, visible: np.ndarray, percentile: float) -> np.ndarray:
    """A projection `(y, x, 3)` as bytes, by the one rule of every figure: zero is mid-grey.

    The percentile of |value| over its visible pixels `(y, x)` is full contrast, up and down; what is larger is cut.
    """
    values = np.abs(projection[visible])
    full = float(np.percentile(values, percentile)) if values.size else 0.0
    if full == 0:
        return np.full(projection.shape, GREY, np.uint8)
    return shaded(projection, full)


def shaded(values: np.ndarray, full: float) -> np.ndarray:
    """Values as bytes around mid-grey; `full` and more is as far as bytes go."""
    return np.rint(GREY + np.clip(values / full, -1, 1) * 127).astype(np.uint8)


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG without the date and versions that matplotlib would put into it."""
    with store.whole(path) as temporary, temporary.open("wb") as file, context():
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
