"""Fig. 9: accuracy on Caltech-256 against training images per class, of the pretrained network and from scratch."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.numbers import accuracy
from zfpipe.report.numbers.published import FEW, TABLE5, beaten, text
from zfpipe.report.plotting import style
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, TITLE, WIDTH, Drawing

FOLDER = paths.TRANSFER / "caltech256"
LOOKS = {
    "Ours, pretrained": ("#0072b2", "o", "-"),
    "Ours, from scratch": ("#d55e00", "s", "-"),
    accuracy.PRETRAINED: ("#0072b2", "o", "--"),
    accuracy.SCRATCH: ("#d55e00", "s", "--"),
    "(Bo et al., 2013)": ("#5d5d58", "^", "--"),
    "(Sohn et al., 2011)": ("#999999", "v", "--"),
}
"""Colour, mark and line of each curve; dashed: published."""
PUBLISHED = "Published: Caltech-256"
HEADING, HEIGHT, AXIS, GAP = 84, 760, 120, 130

Curve = dict[int, tuple[float, float]]
"""Accuracy and its deviation in %, by training images per class."""


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 9 from the tables of the `transfer` and `scratch` stages."""
    figure = style.blank(HEADING + HEIGHT + AXIS)
    width = (WIDTH - 2 * MARGIN - 2 * GAP) // 2
    measured = accuracy.read(folder)
    panels = {f"Ours: {accuracy.described(measured)}": ours(folder), PUBLISHED: printed()}
    most = max(count for curves in panels.values() for points in curves.values() for count in points)
    for column, (title, curves) in enumerate(panels.items()):
        left = MARGIN + 90 + column * (width + GAP)
        style.write(figure, left, 50, title, TITLE, weight="bold")
        axes = style.axes(figure, left, HEADING, width, HEIGHT)
        for name, points in curves.items():
            curve(axes, name, points)
        if title == PUBLISHED:
            mark_beaten(axes)
            corner = "lower right"
        else:
            chance = 100 / measured["classes"].iloc[0]
            axes.axhline(chance, color=MUTED, linewidth=1.5, linestyle=":", label="Chance")
            corner = "upper left"
        axes.legend(loc=corner, fontsize=style.points(BODY - 2), frameon=False)
        axes.set_xlim(0, most * 1.03)
        axes.set_ylim(0, 100)
        axes.set_xlabel("training images per class", fontsize=style.points(BODY))
        axes.set_ylabel("accuracy, %", fontsize=style.points(BODY))
    style.write(figure, MARGIN, HEADING + HEIGHT + AXIS - 16, note(folder), BODY, color=MUTED)
    return figure


def curve(axes: Axes, name: str, points: Curve) -> None:
    """Means joined by a line, with bars of one deviation up and down."""
    colour, mark, line = LOOKS[name]
    counts = sorted(points)
    means, deviations = zip(*(points[count] for count in counts), strict=True)
    axes.errorbar(
        counts,
        means,
        yerr=deviations,
        color=colour,
        marker=mark,
        linestyle=line,
        linewidth=2.4,
        markersize=9,
        capsize=6,
        label=name.strip("()"),
    )


def mark_beaten(axes: Axes) -> None:
    """The point that the paper gives in words: a bound from below."""
    colour, *_ = LOOKS[accuracy.PRETRAINED]
    axes.plot([FEW], [beaten()], color=colour, marker="^", markersize=14, markerfacecolor="none", linestyle="none")
    words, beside = f"above {beaten()} with {FEW}", (14, -4)
    axes.annotate(words, (FEW, beaten()), beside, textcoords="offset points", fontsize=style.points(BODY - 2))


def ours(folder: Path) -> dict[str, Curve]:
    """Our curves; from scratch there is none where the network was trained elsewhere."""
    found = {
        "Ours, pretrained": accuracy.pretrained(accuracy.read(folder)),
        "Ours, from scratch": accuracy.read_scratch(folder),
    }
    return {name: {count: percent(folds) for count, folds in by.items()} for name, by in found.items() if by}


def percent(folds: Float[np.ndarray, "fold"]) -> tuple[float, float]:
    """Mean and deviation over folds in %; of one fold there is no deviation."""
    return 100 * float(folds.mean()), 100 * float(folds.std(ddof=1)) if len(folds) > 1 else 0.0


def printed() -> dict[str, Curve]:
    """The curves that Table 5 gives numbers of."""
    counts = [int(column.split()[0]) for column in TABLE5.columns]
    found: dict[str, Curve] = {}
    for row in reversed(TABLE5.rows):
        values = [value if isinstance(value, tuple) else (value, 0.0) for value in row.values if value is not None]
        found[row.name] = dict(zip(counts, values, strict=True))
    return found


def note(folder: Path) -> str:
    """What the bars are."""
    measured = accuracy.read(folder)
    return (
        f"Bars: one standard deviation over {measured['fold'].nunique()} folds, fewer from scratch; "
        f"{measured['test_images'].iloc[0]:,} test images a fold. Published: Table 5's numbers and what the text says."
    )


def alternative(folder: Path) -> str:
    """Fig. 9 in words."""
    rows = "; ".join(
        f"{name}: " + ", ".join(f"{mean:.0f}% with {count}" for count, (mean, _) in sorted(points.items()))
        for name, points in ours(folder).items()
    )
    return f"Accuracy on Caltech-256 against training images per class, ours beside the published. {rows}."


def details(folder: Path) -> dict[str, Any]:
    """Every point."""
    curves = ours(folder)
    counts = sorted({count for points in (*curves.values(), *printed().values()) for count in points})
    published = {row.name: row.values for row in TABLE5.rows}
    columns = [int(column.split()[0]) for column in TABLE5.columns]

    def cell(points: Curve, count: int) -> str:
        return f"{points[count][0]:.1f} ± {points[count][1]:.1f}" if count in points else "–"

    def theirs(name: str, count: int) -> str:
        return text(published[name][columns.index(count)], TABLE5.decimals) if count in columns else "–"

    rows = [
        (
            f"{count}",
            theirs(accuracy.PRETRAINED, count),
            cell(curves["Ours, pretrained"], count),
            theirs(accuracy.SCRATCH, count),
            cell(curves.get("Ours, from scratch", {}), count),
        )
        for count in counts
    ]
    return {
        "title": "Accuracy in %",
        "open": True,
        "columns": (
            "Images per class",
            "Pretrained, published",
            "Pretrained, ours",
            "From scratch, published",
            "From scratch, ours",
        ),
        "rows": rows,
    }
