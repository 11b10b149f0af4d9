"""Small pictures edge to edge in a grid: projections, image patches and filters."""

import math

import numpy as np
from PIL import Image

from zfpipe.report.plotting.style import HATCH, PAPER

GAP = 2
"""Pixels between two tiles of a grid."""


def scaled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """RGB bytes at another size: magnified, every pixel stays a sharp square; made smaller, pixels are averaged."""
    larger = height >= pixels.shape[0] and width >= pixels.shape[1]
    way = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize((width, height), way))


def visible(box: np.ndarray, crop: int) -> np.ndarray:
    """Which pixels `(y, x)` of a receptive field lie inside the crop; `box` is x0, y0, x1, y1."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    columns, rows = np.arange(x0, x1), np.arange(y0, y1)
    return ((rows >= 0) & (rows < crop))[:, None] & ((columns >= 0) & (columns < crop))


def tile(pixels: np.ndarray, visible: np.ndarray, size: int) -> np.ndarray:
    """A square tile; what is not visible `(y, x)` is left blank, and the rest keeps a sharp edge to it."""
    canvas = np.full((size, size, 3), PAPER, np.uint8)
    rows, columns = (np.flatnonzero(visible.any(axis)) for axis in (1, 0))
    if rows.size and columns.size:
        (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
        y0, y1, x0, x1 = (round(int(edge) * size / len(visible)) for edge in (top, bottom, left, right))
        if y1 > y0 and x1 > x0:
            canvas[y0:y1, x0:x1] = scaled(np.ascontiguousarray(pixels[top:bottom, left:right]), y1 - y0, x1 - x0)
    return canvas


def hatched(height: int, width: int) -> np.ndarray:
    """The sign for what never fires: thin diagonal lines on blank paper."""
    y, x = np.mgrid[:height, :width]
    lines = (x + y) % 8 < 2
    return np.where(lines[..., None], HATCH, PAPER).astype(np.uint8).repeat(3, axis=2)


def grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size row by row, a thin white gap between them."""
    height, width = tiles[0].shape[:2]
    rows = math.ceil(len(tiles) / columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3)
    canvas = np.full(shape, 255, np.uint8)
    for place, pixels in enumerate(tiles):
        y, x = place // columns * (height + GAP), place % columns * (width + GAP)
        canvas[y : y + height, x : x + width] = pixels
    return canvas
