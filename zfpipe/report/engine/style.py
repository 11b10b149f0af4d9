"""Style and save every figure: one style file, one contrast rule, the same bytes every time."""

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation

DPI = 100
WIDTH = 2000  # width of every figure in pixels; the page shows figures at about 1,200
TITLE, SMALL = 24, 14.5  # font sizes in points that are not in the style file
INK, MUTED, MARK = "#1b1b1a", "#5d5d58", "#d95f02"
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999", "#f0e442", "#7f3c8d",
)  # fmt: skip
"""Line colours that colour-blind people can distinguish (Okabe and Ito)."""


@dataclass(frozen=True)
class Drawing:
    """Values of params.yaml for figures: `percentile` of the contrast rule, and the side of a crop in pixels."""

    percentile: float
    crop: int


def context() -> AbstractContextManager[Any]:
    """Return a context with the report's style and without the user's matplotlibrc, to make and save figures in."""
    return matplotlib.style.context(["default", Path(__file__).with_name("zfpipe.mplstyle")])


def figure(height: float) -> Figure:
    """Return an empty figure of WIDTH x `height` pixels, which matplotlib lays out."""
    return Figure(figsize=(WIDTH / DPI, height / DPI))


def notice(words: str) -> Figure:
    """Return a figure with only a text, which says why the real figure is missing."""
    made = figure(120)
    made.text(0.01, 0.5, words, color=MUTED, va="center", wrap=True)
    return made


def note(made: Figure | SubFigure, *lines: str) -> None:
    """Write lines of explanation below a figure or a part of it."""
    left = 10 / made.bbox.width
    made.supxlabel("\n".join(lines), x=left, ha="left", color=MUTED, fontsize=16, linespacing=1.4)


def heading(part: Figure | SubFigure, title: str, remark: str = "", left: float = 10) -> None:
    """Write a part's title above the part, `left` pixels from its edge, and a remark next to the title."""
    words = part.suptitle(title, x=left / part.bbox.width, ha="left", fontsize=TITLE, fontweight="bold")
    if remark:
        part.add_artist(Annotation(remark, (1, 0.12), (20, 0), words, "offset points", color=MUTED, va="baseline"))


def bare(axes: Axes) -> Axes:
    """Remove ticks and frame from axes that hold a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return axes


def outline(axes: Axes, mask: Bool[np.ndarray, "y x"], **place: Any) -> None:
    """Draw the outline of an object, white with a dark edge; draw none if the object is nowhere or everywhere."""
    if mask.any() and not mask.all():
        line = axes.contour(mask, levels=[0.5], colors="white", linewidths=2, **place)
        line.set_path_effects([withStroke(linewidth=5, foreground=INK)])


def png(made: Figure) -> bytes:
    """Return a figure as PNG, without the date and versions that matplotlib would add."""
    file = io.BytesIO()
    made.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
