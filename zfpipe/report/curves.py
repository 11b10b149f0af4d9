"""Training curves as inline SVG: one small chart per run, all on the same scale."""

from collections.abc import Mapping
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

WIDTH, HEIGHT = 270, 180
LEFT, RIGHT, TOP, BOTTOM = 40, 52, 12, 30
LINES = {"val_error": ("val", "validation"), "train_error": ("train", "training")}
"""Each line's column, style and name."""


def charts(histories: Mapping[str, pd.DataFrame]) -> dict[str, Markup]:
    """Return a chart of training and validation error for every run, over as many epochs as the longest has."""
    last = max((int(history["epoch"].max()) for history in histories.values()), default=0)
    template = jinja2.Environment(autoescape=True).from_string(
        Path(__file__).with_name("curve.svg.jinja").read_text(encoding="utf-8")
    )

    def x(epoch: float) -> float:
        return round(LEFT + (epoch - 1) / max(last - 1, 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(error: float) -> float:
        return round(HEIGHT - BOTTOM - error * (HEIGHT - TOP - BOTTOM), 1)

    return {
        run: Markup(
            template.render(
                run=run, width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, bottom=HEIGHT - BOTTOM, x=x, y=y,
                last=last, epochs=history["epoch"].tolist(),
                lines={name: (look, history[column].tolist()) for column, (look, name) in LINES.items()},
            )
        )
        for run, history in histories.items()
    }  # fmt: skip
