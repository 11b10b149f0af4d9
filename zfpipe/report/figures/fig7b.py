"""Fig. 7b (not in the paper): where later methods say that the network looks, beside occlusion and the deconvnet."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from safetensors.numpy import load_file

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import heat, style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, WIDTH, Drawing

FOLDER = paths.ATTRIBUTION
BETWEEN, HEADER, BELOW = 12, 60, 46
NAMES = {
    "occlusion": "Occlusion",
    "deconvnet": "Deconvnet",
    "saliency": "Saliency",
    "guided backpropagation": "Guided backprop",
    "Grad-CAM": "Grad-CAM",
    "integrated gradients": "Integrated gradients",
}


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws the maps of the `attribution` stage beside Fig. 7's images and drops of the true class's probability."""
    shown, arrays = read(folder)
    names = ["occlusion", *shown["methods"]]
    size = (WIDTH - 2 * MARGIN - len(names) * BETWEEN) // (len(names) + 1)
    figure = style.blank(HEADER + len(shown["classes"]) * (size + BELOW) + 3 * 32 + 30)
    lefts = [MARGIN + place * (size + BETWEEN) for place in range(len(names) + 1)]
    for left, title in zip(lefts, ["Image", *(NAMES[name] for name in names)], strict=True):
        style.write(figure, left, 42, title, BODY + 1, weight="bold")
    for row, name in enumerate(shown["classes"]):
        top, mask = HEADER + row * (size + BELOW), arrays["masks"][row] > 0
        style.place(figure, lefts[0], top, heat.outlined(tiles.scaled(arrays["images"][row], size, size), mask))
        style.write(figure, lefts[0], top + size + 28, name, BODY)
        for left, values in zip(lefts[1:], [arrays["drop"][row], *arrays["maps"][row]], strict=True):
            full = float(np.percentile(values, drawing.percentile)) or 1.0
            style.place(figure, left, top, heat.outlined(heat.coloured(values / full, size, size), mask))
    bottom = HEADER + len(shown["classes"]) * (size + BELOW)
    scores = table(folder)
    words = ("largest on object", "overlap", "")
    for left, name in zip(lefts[1:], names, strict=True):
        found = scores.get(name, {})
        for number, score in enumerate(("hit", "overlap")):
            value = f"{words[number]} {found[score]['value']:.2f}" if score in found else "not available"
            style.write(figure, left, bottom + 24 + 32 * number, value, BODY - 2)
    style.write(figure, MARGIN, bottom + 24 + 32 * 2 + 14, note(scores), BODY - 2, color=MUTED)
    return figure


def read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Classes of the images and names of the methods; images, masks, drops at the square's places, and maps."""
    shown = json.loads(present(folder / "shown.json", "attribution").read_text())
    return shown, load_file(folder / "shown.safetensors")


def table(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by method and score; none where no object is known."""
    rows: list[Any] = pd.read_csv(present(folder / "scores.csv", "attribution")).to_dict("records")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["method"], {})[row["score"]] = row
    return found


def note(scores: dict[str, dict[str, dict[str, Any]]]) -> str:
    """What the numbers are."""
    if not scores:
        return "Each map alone from 0 (dark) up. The scores are not available: no image has an object box or mask."
    chance = next(iter(scores.values()))
    return (
        f"Each map alone from 0 (dark) up. Numbers: over {chance['hit']['images']:,} images, at the occluder's places; "
        f"by chance {chance['hit']['against']:.2f} and {chance['overlap']['against']:.2f}."
    )


def alternative(folder: Path) -> str:
    """The figure in words."""
    rows = "; ".join(f"{row[0]}: {row[1]} on the object, overlap {row[3]}" for row in details(folder)["rows"])
    return f"Maps of where six methods say that the network looks, for the images of Figure 7. {rows}."


def details(folder: Path) -> dict[str, Any]:
    """The scores as a table."""
    scores = table(folder)

    def cells(row: dict[str, Any]) -> tuple[str, str]:
        return f"{row['value']:.2f}", f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"

    rows = [
        (NAMES[name], *cells(found["hit"]), *cells(found["overlap"]), f"{found['hit']['images']:,}")
        for name, found in scores.items()
    ]
    return {
        "title": "Against the truth (not in the paper)",
        "open": True,
        "columns": ("Method", "Largest on the object", "Beyond chance", "Overlap", "Beyond chance", "Images"),
        "rows": [tuple(cell.replace("-", "−") if place else cell for place, cell in enumerate(row)) for row in rows]
        or [("not available: no image has an object box or mask", "–", "–", "–", "–", "–")],
    }
