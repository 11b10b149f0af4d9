"""How every figure looks and is saved: one style file, one contrast rule, the same bytes every time."""

import io
import textwrap
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100
WIDTH = 2000
"""Of every figure, in pixels: the page shows it at about 1,200."""
TITLE, SMALL = 24, 14.5
"""Sizes of letters in points, beside the style file's."""
INK, MUTED, MARK = "#1b1b1a", "#5d5d58", "#d95f02"
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999", "#f0e442", "#7f3c8d",
)  # fmt: skip
"""Of lines, told apart by the colour-blind too (Okabe and Ito)."""


@dataclass(frozen=True)
class Drawing:
    """What figures need of params.yaml: `percentile` of the contrast rule and the side of a crop in pixels."""

    percentile: float
    crop: int


def context() -> AbstractContextManager[Any]:
    """Use the report's style, whatever the user's matplotlibrc says. Figures are made and saved within."""
    return matplotlib.style.context(["default", Path(__file__).with_name("zfpipe.mplstyle")])


def figure(height: float) -> Figure:
    """Return an empty figure of WIDTH x `height` pixels, which matplotlib lays out."""
    made = Figure(figsize=(WIDTH / DPI, height / DPI))
    FigureCanvasAgg(made)
    return made


def notice(words: str) -> Figure:
    """Return a figure that says why there is none."""
    lines = textwrap.wrap(words, 150)
    made = figure(40 + len(lines) * 34)
    made.text(0.01, 0.5, "\n".join(lines), color=MUTED, va="center")
    return made


def note(made: Figure, *lines: str) -> None:
    """Write lines of explanation below a figure."""
    made.supxlabel("\n".join(lines), x=0.005, ha="left", color=MUTED, fontsize=16, linespacing=1.4)


def bare(axes: Axes) -> Axes:
    """Take ticks and frame from axes that hold a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return axes


def png(made: Figure) -> bytes:
    """Return a figure as PNG, without the date and versions that matplotlib would put into it."""
    file = io.BytesIO()
    made.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
