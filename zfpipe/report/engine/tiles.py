"""Lay out projections, image patches and filters as small tiles. Pixels are placed without resampling."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from PIL import Image

PAPER, HATCH, GREY = 240, 196, 128
"""Shades: beyond the image's border, the hatching of dead maps, and a projection's zero."""
GAP = 2  # pixels between two tiles of a grid

Pixels = UInt8[np.ndarray, "y x 3"]


def contrast(projection: Float[np.ndarray, "y x 3"], visible: Bool[np.ndarray, "y x"], percentile: float) -> Pixels:
    """Return a projection as bytes, by the contrast rule of every figure: zero is mid-grey.

    The percentile of |value| over the visible pixels is full contrast, up and down; larger values are clipped.
    """
    values = np.abs(projection[visible])
    full = float(np.percentile(values, percentile)) if values.size else 0.0
    return shaded(projection, full) if full else np.full(projection.shape, GREY, np.uint8)


def shaded(values: Float[np.ndarray, "y x 3"], full: float) -> Pixels:
    """Return values as bytes around mid-grey; values of size `full` or more are clipped to black or white."""
    return np.rint(GREY + np.clip(values / full, -1, 1) * 127).astype(np.uint8)


def scaled(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return a picture at another size: enlarged, pixels become sharp squares; reduced, pixels are averaged."""
    larger = height >= pixels.shape[0] and width >= pixels.shape[1]
    way = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), way))


def visible(box: Sequence[int] | np.ndarray, crop: int) -> Bool[np.ndarray, "y x"]:
    """Return the mask of a receptive field's pixels inside the crop; `box` is x0, y0, x1, y1."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    columns, rows = np.arange(x0, x1), np.arange(y0, y1)
    return ((rows >= 0) & (rows < crop))[:, None] & ((columns >= 0) & (columns < crop))


def tile(pixels: Pixels, visible: Bool[np.ndarray, "y x"], size: int) -> Pixels:
    """Return a square tile; invisible pixels are blank, with a sharp edge to the visible ones."""
    canvas = np.full((size, size, 3), PAPER, np.uint8)
    rows, columns = (np.flatnonzero(visible.any(axis)) for axis in (1, 0))
    if rows.size and columns.size:
        (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
        y0, y1, x0, x1 = (round(int(edge) * size / len(visible)) for edge in (top, bottom, left, right))
        if y1 > y0 and x1 > x0:
            canvas[y0:y1, x0:x1] = scaled(pixels[top:bottom, left:right], y1 - y0, x1 - x0)
    return canvas


def hatched(height: int, width: int) -> Pixels:
    """Return the tile for a map that never fires: thin diagonal lines on blank paper."""
    y, x = np.mgrid[:height, :width]
    lines = (x + y) % 8 < 2
    return np.where(lines[..., None], HATCH, PAPER).astype(np.uint8).repeat(3, axis=2)


def grid(tiles: Sequence[Pixels], columns: int, gap: int = GAP, paper: int = 255) -> Pixels:
    """Return tiles of one size row by row, with a thin gap between them, on white or another shade."""
    height, width = tiles[0].shape[:2]
    rows = math.ceil(len(tiles) / columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), paper, np.uint8)
    for place, pixels in enumerate(tiles):
        y, x = place // columns * (height + gap), place % columns * (width + gap)
        canvas[y : y + height, x : x + width] = pixels
    return canvas


class Placed(Artist):
    """A picture at the top left of its axes, pixel for pixel."""

    def __init__(self, pixels: Pixels):
        super().__init__()
        self.pixels = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])

    def draw(self, renderer: RendererBase) -> None:
        """Draw the picture where the layout has put the axes."""
        assert self.axes is not None
        box = self.axes.get_window_extent(renderer)
        graphics = renderer.new_gc()
        renderer.draw_image(graphics, round(box.x0), round(box.y1) - len(self.pixels), self.pixels[::-1])
        graphics.restore()


def place(axes: Axes, pixels: Pixels) -> None:
    """Put a picture unscaled at the top left of axes that show nothing else."""
    axes.set(xticks=[], yticks=[])  # even invisible ticks take most of the layout's time
    axes.set_axis_off()
    axes.add_artist(Placed(pixels))
