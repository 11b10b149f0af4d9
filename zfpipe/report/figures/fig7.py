"""Fig. 7: images hidden place by place: (a) image, (b) a map's activity, (c) its projection, (d), (e) the output."""

import json
from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from safetensors.numpy import load_file

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import heat, style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, WIDTH, Drawing

FOLDER = paths.OCCLUSION
PANEL, BETWEEN, BAR = 290, 40, 18
"""Side of a panel, the room between two, the width of a bar of colours, in pixels."""
SMALL = PANEL // 3 - tiles.GAP
HEADER, BELOW, LINE = 110, 112, 34
"""Height of the titles; below each row; of a line of words."""
LABELS = ("#0072b2", "#e69f00", "#cc79a7", "#009e73", "#56b4e9", "#d55e00")
REST = "#bbbbbb"
"""Colours of the most frequent answers, the true class first, and of all others."""
TITLES = (
    ("(a) Image", "object outlined"),
    ("(b) Layer {layer}, strongest map", "total activity, by the square's place"),
    ("(c) The map, projected", "right: from other images"),
    ("(d) Probability of its class", "by the square's place"),
    ("(e) Most probable class", "by the square's place"),
)
SCORES = {
    "drop": ("Fall of the true class's probability", "square on the object", "off it"),
    "hit": ("Largest fall lies on the object", "share of images", "a random place"),
    "overlap": ("Overlap of the largest falls with the object", "intersection over union", "random places"),
    "agreement": ("Fall of the map's activity against the hidden energy of its projection", "correlation", "none"),
}
"""What each score says, and the names of its value and of what it is compared with."""


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 7 from the tables and arrays of the `occlusion` stage."""
    described, positions, arrays = read(folder)
    figure = style.blank(HEADER + len(described["images"]) * (PANEL + BELOW) + (len(SCORES) + 2) * LINE)
    lefts = columns()
    for left, (title, remark) in zip(lefts, TITLES, strict=True):
        style.write(figure, left, 46, title.format(layer=described["layer"]), BODY + 2, weight="bold")
        style.write(figure, left, 80, remark, BODY - 2, color=MUTED)
    for row, image in enumerate(described["images"]):
        top = HEADER + row * (PANEL + BELOW)
        rows = positions.query("id == @image['id']").sort_values(["y", "x"])
        mask = arrays["masks"][row] > 0
        picture = tiles.scaled(arrays["images"][row], PANEL, PANEL)
        style.place(figure, lefts[0], top, heat.outlined(picture, mask))
        square(figure, lefts[0], top, described, drawing.crop)
        name = described["classes"][image["label"]]
        style.write(figure, lefts[0], top + PANEL + 30, name, BODY)
        heat_map(figure, lefts[1], top, rows["map_activity"].to_numpy(), mask, image["activity"], f"map {image['map']}")
        projections(figure, lefts[2], top, row, arrays, drawing)
        heat_map(figure, lefts[3], top, rows["p_true"].to_numpy(), mask, 1.0, f"unhidden: {image['p_true']:.2f}")
        answers(figure, lefts[4], top, rows["top1"].to_numpy(), described["classes"], image["label"], mask)
    style.write(figure, MARGIN, figure_height(figure) - (len(SCORES) + 1) * LINE, caption(described), BODY, color=MUTED)
    for number, words in enumerate(sentences(folder)):
        style.write(figure, MARGIN, figure_height(figure) - (len(SCORES) - number) * LINE, words, BODY)
    return figure


def figure_height(figure: Figure) -> float:
    """In pixels."""
    return figure.get_figheight() * style.DPI


def columns() -> list[int]:
    """Where the panels begin: beside the maps stand bars of colours, beside the projection those of other images."""
    widths = (PANEL, PANEL + BAR + 46, PANEL + 2 * (SMALL + tiles.GAP), PANEL + BAR + 40, PANEL)
    lefts = [MARGIN]
    for width in widths[:-1]:
        lefts.append(lefts[-1] + width + BETWEEN)
    assert lefts[-1] + PANEL <= WIDTH - MARGIN
    return lefts


def read(folder: Path) -> tuple[dict[str, Any], pd.DataFrame, dict[str, np.ndarray]]:
    """What is known of the images, every position, and the arrays."""
    described = json.loads(present(folder / "shown.json", "occlusion").read_text())
    return described, pd.read_parquet(folder / "shown.parquet"), load_file(folder / "shown.safetensors")


def square(figure: Figure, left: int, top: int, described: dict[str, Any], crop: int) -> None:
    """The grey square at its true size, in the lower right corner of the image."""
    size = described["grids"]["shown"]["size"] * PANEL / crop
    grey = f"#{round(described['grey']):02x}" + f"{round(described['grey']):02x}" * 2
    style.rectangle(figure, left + PANEL - size - 4, top + PANEL - size - 4, size, size, grey, edge="white", line=1.5)


def heat_map(
    figure: Figure, left: int, top: int, values: np.ndarray, mask: np.ndarray, most: float, words: str
) -> None:
    """A value at each place of the square, from 0 (dark) to the largest (yellow), with its bar of colours."""
    grid = values.reshape(round(len(values) ** 0.5), -1)
    full = max(most, float(grid.max())) or 1.0
    style.place(figure, left, top, heat.outlined(heat.coloured(grid / full, PANEL, PANEL), mask))
    ramp = np.linspace(1, 0, PANEL)[:, None].repeat(BAR, 1)
    style.place(figure, left + PANEL + 8, top, heat.coloured(ramp, PANEL, BAR))
    for place, value in ((18, full), (PANEL / 2 + 6, full / 2), (PANEL, 0)):
        style.write(figure, left + PANEL + BAR + 14, top + place, f"{value:.3g}", BODY - 4)
    style.write(figure, left, top + PANEL + 30, words, BODY)


def projections(figure: Figure, left: int, top: int, row: int, arrays: dict[str, np.ndarray], drawing: Drawing) -> None:
    """The image's projection, and those of the same map's strongest other images over their patches."""
    pixels, patches, boxes = (arrays[name][row] for name in ("projections", "patches", "boxes"))
    for place, (one, patch, box) in enumerate(zip(pixels, patches, boxes, strict=True)):
        seen = tiles.visible(box, drawing.crop)
        shown = style.contrast(one, seen, drawing.percentile)
        if place == 0:
            style.place(figure, left, top, tiles.scaled(in_place(shown, box, drawing.crop), PANEL, PANEL))
            continue
        x, y = left + PANEL + tiles.GAP, top + (place - 1) * (SMALL + tiles.GAP)
        style.place(figure, x, y, tiles.tile(shown, seen, SMALL))
        style.place(figure, x + SMALL + tiles.GAP, y, tiles.tile(patch, seen, SMALL))


def in_place(pixels: np.ndarray, box: np.ndarray, crop: int) -> np.ndarray:
    """A projection where it lies in the crop; the rest, which the unit doesn't see, is left blank."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    canvas = np.full((crop, crop, 3), style.PAPER, np.uint8)
    (top, bottom), (left, right) = ((max(first, 0), min(last, crop)) for first, last in ((y0, y1), (x0, x1)))
    canvas[top:bottom, left:right] = pixels[top - y0 : bottom - y0, left - x0 : right - x0]
    return canvas


def answers(
    figure: Figure, left: int, top: int, labels: np.ndarray, classes: list[str], true: int, mask: np.ndarray
) -> None:
    """The most probable class at each place, and which colour is which."""
    counts = np.bincount(labels, minlength=len(classes))
    others = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label] and label != true]
    named = [true, *others][: len(LABELS)]
    colours = np.array([matplotlib.colors.to_rgb(REST)] * len(classes))
    for colour, label in zip(LABELS, named, strict=False):
        colours[label] = matplotlib.colors.to_rgb(colour)
    side = round(len(labels) ** 0.5)
    pixels = np.rint(colours[labels].reshape(side, side, 3) * 255).astype(np.uint8)
    style.place(figure, left, top, heat.outlined(tiles.scaled(pixels, PANEL, PANEL), mask))
    entries = [(colour, classes[label]) for colour, label in zip(LABELS, named, strict=False)]
    if len(others) + 1 > len(named):
        entries[-1] = (REST, f"{len(others) - len(named) + 2} others")
    for place, (colour, name) in enumerate(entries):
        x, y = left + place % 2 * (PANEL // 2 + 6), top + PANEL + 30 + place // 2 * 30
        style.rectangle(figure, x, y - 15, 16, 16, colour, edge="none")
        style.write(figure, x + 22, y, name if len(name) < 14 else f"{name[:12]}…", BODY - 4)


def caption(described: dict[str, Any]) -> str:
    """How large the square is and what is counted."""
    size, step = (described["grids"]["all"][name] for name in ("size", "stride"))
    return (
        f"Against the truth: a grey square of {size} × {size} pixels every {step} pixels, over all images whose object "
        "is known"
    )


def sentences(folder: Path) -> list[str]:
    """The scores in words; where no object is known, that."""
    table = scores(folder)
    if not table:
        return ["Not available: no image has an object box or mask (docs/data.md says how to supply them)."]
    return [
        f"{title}: {row['value']:.3f} ({value}), {row['against']:.3f} ({against}); difference {row['difference']:.3f} "
        f"({row['low']:.3f} to {row['high']:.3f}), {row['images']:,} images"
        if row["score"] != "agreement"
        else f"{title}: {value} {row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}), {row['images']:,} images"
        for row in table
        for title, value, against in (SCORES[row["score"]],)
    ]


def scores(folder: Path) -> list[dict[str, Any]]:
    """The rows of scores.csv."""
    return pd.read_csv(present(folder / "scores.csv", "occlusion")).to_dict("records")  # pyright: ignore


def alternative(folder: Path) -> str:
    """Fig. 7 in words."""
    described, positions, _ = read(folder)
    parts = []
    for image in described["images"]:
        rows = positions.query("id == @image['id']")
        parts.append(
            f"{described['classes'][image['label']]}: probability {image['p_true']:.2f}, at worst "
            f"{rows['p_true'].min():.2f} when hidden"
        )
    return f"Images hidden place by place by a grey square. {'; '.join(parts)}. {' '.join(sentences(folder))}"


def details(folder: Path) -> dict[str, Any]:
    """The scores as a table."""
    rows = [
        (SCORES[row["score"]][0], f"{row['value']:.3f}", f"{row['against']:.3f}",
         f"{row['difference']:.3f} ({row['low']:.3f} to {row['high']:.3f})", f"{row['images']:,}")
        for row in scores(folder)
    ]  # fmt: skip
    return {
        "title": "Against the truth, over all images whose object is known",
        "open": True,
        "columns": ("Score", "Ours", "Compared with", "Difference (95 % interval)", "Images"),
        "rows": rows or [(sentences(folder)[0], "–", "–", "–", "–")],
    }
