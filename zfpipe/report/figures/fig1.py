"""Fig. 1: a deconvnet attached to the convnet, step by step with a trained network's tensors, and its unpooling."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, Drawing

FOLDER = paths.PRINCIPLE
SIDE, GAP = 328, 80
"""Side of a picture and the room between two, in pixels: five fill the width."""
UP, DOWN, CELLS = 130, 610, 1130
"""Where the pictures of the convnet, of the deconvnet and of the unpooling begin, in pixels from the top."""
HEADING = 28
LINE = 30
POOLED = 4
"""Pooled values a side in the unpooling's detail."""
CELL = 52
MARK = "#d95f02"


@dataclass(frozen=True)
class Step:
    """One picture, what it shows, and what leads to the next one."""

    pixels: np.ndarray
    words: tuple[str, str]


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 1 from the arrays of the `principle` stage."""
    arrays, facts = read(folder)
    figure = style.blank(CELLS + below(facts) * cell(facts) + 80)
    style.write(figure, MARGIN, 44, "Convnet: up", HEADING, weight="bold")
    row(figure, UP, up(arrays, facts), forward=True)
    style.write(figure, MARGIN, DOWN - 86, "Deconvnet: down", HEADING, weight="bold")
    row(figure, DOWN, down(arrays, drawing.percentile), forward=False)
    for top in (UP, DOWN):
        mark(figure, top, facts, arrays["image"].shape[0])
    style.write(figure, MARGIN, CELLS - 86, "Unpooling, a detail", HEADING, weight="bold")
    detail(figure, arrays, facts)
    return figure


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts by name."""
    path, facts = (present(folder / name, "principle") for name in ("steps.safetensors", "steps.json"))
    return load_file(path), json.loads(facts.read_text())


def up(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> list[Step]:
    """The convnet's pictures from left to right."""
    first, second = f"Layer 1, map {facts['layer1_map']}", f"Layer 2, map {facts['layer2_map']}"
    dots = np.zeros(arrays["map1"].size, bool)
    dots[arrays["switches"].ravel()] = True
    return [
        Step(arrays["image"], ("Image", facts["class"])),
        Step(positive(arrays["map1"]), (first, "filtered and rectified")),
        Step(np.where(dots.reshape(arrays["map1"].shape)[..., None], 0, 235).astype(np.uint8).repeat(3, 2),
             ("Switches", "where each pool's maximum is")),
        Step(positive(arrays["pooled1"]), ("Pooled map", "the maxima")),
        Step(positive(arrays["map2"]), (second, "filtered and rectified")),
    ]  # fmt: skip


def down(arrays: dict[str, np.ndarray], percentile: float) -> list[Step]:
    """The deconvnet's pictures, below the convnet's of the same kind: read from right to left."""
    everywhere = np.ones(arrays["image"].shape[:2], bool)
    return [
        Step(style.contrast(arrays["reconstruction"], everywhere, percentile), ("Projection", "filtered to pixels")),
        Step(positive(arrays["rectified"]), ("Rectified", "negative values cut")),
        Step(signed(arrays["unpooled"]), ("Unpooled", "placed by the switches")),
        Step(signed(arrays["filtered"]), ("Filtered down", "by the transposed filter")),
        Step(positive(arrays["kept"]), ("One activation", "all others set to zero")),
    ]


def positive(values: np.ndarray) -> np.ndarray:
    """Values from zero (white) to the largest (dark blue), as RGB bytes."""
    return coloured("Blues", values / (values.max() or 1))


def signed(values: np.ndarray) -> np.ndarray:
    """Values around zero (white), negative ones blue and positive ones red, as RGB bytes."""
    return coloured("RdBu_r", 0.5 + values / (2 * (np.abs(values).max() or 1)))


def coloured(name: str, values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 in the colours of a map."""
    return (colormaps[name](values)[..., :3] * 255).round().astype(np.uint8)


def row(figure: Figure, top: int, steps: list[Step], forward: bool) -> None:
    """Five pictures with their words above, and arrows between them."""
    for place, step in enumerate(steps):
        left = MARGIN + place * (SIDE + GAP)
        style.write(figure, left, top - 42, step.words[0], BODY, weight="bold")
        style.write(figure, left, top - 12, step.words[1], BODY, color=MUTED)
        style.place(figure, left, top, tiles.scaled(np.ascontiguousarray(step.pixels), SIDE, SIDE))
        style.rectangle(figure, left, top, SIDE, SIDE, "none", MUTED)
        if place:
            ends = [(left - GAP + 12, top + SIDE / 2), (left - 12, top + SIDE / 2)]
            style.arrow(figure, *(ends if forward else ends[::-1]))


def mark(figure: Figure, top: int, facts: dict[str, Any], side: int) -> None:
    """Where in the image the unit looks."""
    (y0, y1), (x0, x1) = facts["rows"], facts["columns"]
    scale = SIDE / side
    style.rectangle(
        figure, MARGIN + x0 * scale, top + y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale, "none", MARK, 3
    )


def detail(figure: Figure, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Sixteen pools around the strongest signal, in numbers, up and down."""
    y, x = corner(arrays["filtered"])
    pooled = np.s_[y : y + POOLED, x : x + POOLED]
    window, stride = facts["pool"]["size"], facts["pool"]["stride"]
    size = below(facts)
    part = np.s_[stride * y : stride * y + size, stride * x : stride * x + size]
    switches = arrays["switches"][pooled].ravel()
    ys, xs = np.divmod(switches, arrays["map1"].shape[1])
    found = list(zip((ys - stride * y).tolist(), (xs - stride * x).tolist(), strict=True))
    shared = {place for place in found if found.count(place) > 1}
    rule = "added up" if facts["unpooling"] == "sum" else "the last one stays"
    panels = [
        ("Layer-1 map", "switches framed", arrays["map1"][part], positive, set(found)),
        ("Pooled", f"{window} × {window}, stride {stride}", arrays["pooled1"][pooled], positive, set()),
        ("Signal from above", "one value for each pool", arrays["filtered"][pooled], signed, set()),
        ("Unpooled", f"shared switches (twice framed): {rule}", arrays["unpooled"][part], signed, set(found)),
    ]
    left, side = MARGIN, cell(facts)
    for number, (title, remark, values, colours, framed) in enumerate(panels):
        style.write(figure, left, CELLS - 42, title, BODY, weight="bold")
        style.write(figure, left, CELLS - 12, remark, BODY, color=MUTED)
        cells(figure, left, side, values, colours(values), framed, shared if number == 3 else set())
        left += values.shape[1] * side + (2 * GAP if number != 1 else 3 * GAP) - 30


def cell(facts: dict[str, Any]) -> int:
    """Side of a value's square: the detail's four panels fit beside each other."""
    return min(CELL, (style.WIDTH - 2 * MARGIN - 7 * GAP + 90) // (2 * below(facts) + 2 * POOLED))


def below(facts: dict[str, Any]) -> int:
    """Values a side of the layer-1 map that the pools of the detail cover."""
    return (POOLED - 1) * facts["pool"]["stride"] + facts["pool"]["size"]


def corner(signal: np.ndarray) -> tuple[int, int]:
    """The first row and column of the block of pools that the most signal passes through.

    The last pools of a map may hang over its border (ceil mode): the block stays clear of them.
    """
    blocks = sliding_window_view(np.abs(signal[:-1, :-1]), (POOLED, POOLED)).sum((2, 3))
    y, x = np.unravel_index(blocks.argmax(), blocks.shape)
    return int(y), int(x)


def cells(
    figure: Figure,
    left: float,
    side: int,
    values: np.ndarray,
    colours: np.ndarray,
    framed: set[tuple[int, int]],
    shared: set[tuple[int, int]],
) -> None:
    """Numbers in coloured squares, some framed and some twice."""
    for (y, x), value in np.ndenumerate(values):
        top, start = CELLS + y * side, left + x * side
        colour = colours[y, x] / 255
        style.rectangle(figure, start, top, side, side, colour, "white")
        ink = "white" if colour @ (0.3, 0.59, 0.11) < 0.5 else style.INK
        if value:
            style.write(figure, start + side / 2, top + side / 2 + 7, short(float(value)), 18, color=ink, ha="center")
    for y, x in sorted(framed):
        style.rectangle(figure, left + x * side + 2, CELLS + y * side + 2, side - 4, side - 4, "none", MARK, 2)
    for y, x in sorted(shared):
        style.rectangle(figure, left + x * side + 7, CELLS + y * side + 7, side - 14, side - 14, "none", MARK, 1)


def short(value: float) -> str:
    """A number in at most four characters."""
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"


def alternative(folder: Path) -> str:
    """Fig. 1 in words."""
    _, facts = read(folder)
    return (
        f"An image of class {facts['class']} goes up through layers 1 and 2 of the trained network; the strongest "
        f"activation of layer 2, {facts['activation']:.3g} in map {facts['layer2_map']}, comes down again: filtered "
        "with the transposed filters, unpooled by the switches, rectified and filtered to pixels. Below, sixteen pools "
        "in numbers."
    )


def details(folder: Path) -> dict[str, Any]:
    """The steps as a table."""
    arrays, _ = read(folder)
    names = ("map1", "pooled1", "map2", "kept", "filtered", "unpooled", "rectified", "reconstruction")
    return {
        "title": "Figure 1 in numbers",
        "open": False,
        "columns": ("Tensor", "Size", "Smallest", "Largest", "Not zero"),
        "rows": [
            (name, " × ".join(str(side) for side in arrays[name].shape), f"{arrays[name].min():.3g}",
             f"{arrays[name].max():.3g}", f"{(arrays[name] != 0).mean():.1%}")
            for name in names
        ],
    }  # fmt: skip
