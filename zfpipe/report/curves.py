"""Training curves as inline SVG: one small chart per run, all on the same scale."""

import pandas as pd
from markupsafe import Markup

WIDTH, HEIGHT = 270, 180
LEFT, RIGHT, TOP, BOTTOM = 40, 52, 12, 30
LINES = (("train_error", "train", "training"), ("val_error", "val", "validation"))
"""Column, style and name of each line."""


def charts(histories: dict[str, pd.DataFrame]) -> dict[str, Markup]:
    """A chart of training and validation error for every run."""
    last = max((int(history["epoch"].to_numpy().max()) for history in histories.values()), default=0)
    return {run: chart(run, history, last) for run, history in histories.items()}


def chart(run: str, history: pd.DataFrame, last: int) -> Markup:
    """One run's chart: errors from 0 to 100 % over epochs 1 to `last`."""

    def x(epoch: float) -> str:
        return f"{LEFT + (epoch - 1) / max(last - 1, 1) * (WIDTH - LEFT - RIGHT):.1f}"

    def y(error: float) -> str:
        return f"{HEIGHT - BOTTOM - error * (HEIGHT - TOP - BOTTOM):.1f}"

    marks = []
    for error in (0, 0.25, 0.5, 0.75, 1):
        marks.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(error)}" y2="{y(error)}"/>')
        if error in (0, 0.5, 1):
            marks.append(f'<text x="{LEFT - 6}" y="{y(error)}" dy="4" text-anchor="end">{error:.0%}</text>')
    marks += [
        f'<text x="{x(epoch)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{"epoch " * (epoch == 1)}{epoch}</text>'
        for epoch in sorted({1, last})
    ]
    epochs = history["epoch"].tolist()
    for column, look, _ in LINES:
        errors = history[column].tolist()
        points = " ".join(f"{x(epoch)},{y(error)}" for epoch, error in zip(epochs, errors, strict=True))
        marks.append(f'<polyline class="{look}" points="{points}"/>')
        marks.append(f'<circle class="{look}" cx="{x(epochs[-1])}" cy="{y(errors[-1])}" r="3"/>')
    final = history["val_error"].tolist()[-1]
    # Beside the last point, but inside the chart
    marks.append(f'<text class="end" x="{float(x(epochs[-1])) + 8:.1f}" y="{y(final)}" dy="4">{final:.1%}</text>')
    drawing = Markup("".join(marks))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, described(run, history), drawing
    )


def described(run: str, history: pd.DataFrame) -> str:
    """The chart in words."""
    epochs = history["epoch"].tolist()
    parts = []
    for column, _, name in reversed(LINES):
        errors = history[column].tolist()
        parts.append(
            f"{name} error {errors[0]:.1%} after epoch {epochs[0]} and {errors[-1]:.1%} after epoch {epochs[-1]}"
        )
    return f"{run}: {'; '.join(parts)}"
