"""Find images that are in two sets, by normalised correlation of small grey pictures (section 5.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from PIL import Image, ImageDraw
from threadpoolctl import threadpool_limits

from zfpipe import store
from zfpipe.sections import Overlap
from zfpipe.workers import worker_count
from zfpipe.writing.decode import UnreadableImageError, decode_in_order

BLOCK = 4096
"""Rows of each set that are compared at a time, which bounds the memory at 64 MiB."""
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""
COLUMNS = ["id", "train", "target", "correlation"]
SHOWN, ACROSS, TILE, LABEL = 60, 6, 128, 16
"""Pairs on the sheet, pairs in a row, and sizes in pixels."""


@dataclass(frozen=True)
class ImageSet:
    """Rows of an index, and the function that reads an image by its path, offset and size."""

    rows: pd.DataFrame
    read: Callable[[str, int | None, int | None], bytes]

    def fingerprints(self, side: int, workers: int) -> Float[np.ndarray, "image pixel"]:
        """Return the images' centre squares as grey pictures of `side` x `side` pixels: mean 0, length 1, float32.

        The dot product of two rows is their normalised correlation. An image of uniform grey, or one that can't be
        read, gives a zero row, which correlates with nothing.
        """
        found = np.zeros((len(self.rows), side * side), np.float32)
        for place, pixels in enumerate(decode_in_order(self.rows, self.read, side, workers)):
            if not isinstance(pixels, UnreadableImageError):
                found[place] = fingerprint(pixels)
        return found

    def picture(self, row: int) -> Image.Image:
        """Return the image of a row at the size of the sheet."""
        (pixels,) = decode_in_order(self.rows.iloc[row : row + 1], self.read, TILE, 1)
        assert not isinstance(pixels, UnreadableImageError), "what has a fingerprint can be read"
        return Image.fromarray(pixels)


def write(train: ImageSet, target: ImageSet, settings: Overlap, folder: Path) -> str:
    """Write the pairs of `find` to overlap.csv in `folder`, and their sheet to sheet.png; return a summary line."""
    pairs, drawn = find(train, target, settings)
    store.save(folder / "overlap.csv", pairs)
    if drawn is not None:
        with store.whole(folder / "sheet.png") as temporary:
            drawn.save(temporary, format="png")
    return f"{pairs['id'].nunique()} of {len(train.rows)} training images stand in {folder.name} too"


def find(
    train: ImageSet, target: ImageSet, settings: Overlap, workers: int | None = None
) -> tuple[pd.DataFrame, Image.Image | None]:
    """Return the pairs of training and target images that are the same picture, and their sheet, or None without pairs.

    The table has the columns `COLUMNS`: the training image's id and path, the target image's path, the correlation.
    """
    one, other = (part.fingerprints(settings.side, worker_count(workers)) for part in (train, target))
    pairs = alike(one, other, settings.threshold)
    table = pd.DataFrame(
        {
            "id": train.rows["id"].to_numpy()[pairs["one"]],
            "train": train.rows["path"].to_numpy()[pairs["one"]],
            "target": target.rows["path"].to_numpy()[pairs["other"]],
            "correlation": pairs["correlation"].round(6),
        },
        columns=COLUMNS,
    )
    return table, sheet(train, target, pairs) if len(pairs) else None


def fingerprint(pixels: np.ndarray) -> Float[np.ndarray, "pixel"]:
    """Return an RGB picture `(y, x, 3)` as a grey vector of mean 0 and length 1, or zero for uniform grey."""
    grey = (pixels.astype(np.float32) @ LUMINANCE).ravel()
    grey -= grey.mean()
    length = np.sqrt((grey**2).sum())
    return grey / length if length > 1 else np.zeros_like(grey)  # 1: one grey level in one pixel


def alike(
    one: Float[np.ndarray, "image pixel"], other: Float[np.ndarray, "image2 pixel"], threshold: float
) -> pd.DataFrame:
    """Return the pairs whose correlation reaches the threshold: `one`, `other` (row numbers), `correlation`."""
    parts = []
    for start in range(0, len(one), BLOCK):
        for beside in range(0, len(other), BLOCK):
            with threadpool_limits(1):  # the last bits must not depend on the number of cores
                product = one[start : start + BLOCK] @ other[beside : beside + BLOCK].T
            rows, columns = np.nonzero(product >= threshold)
            values = product[rows, columns]
            parts.append(pd.DataFrame({"one": rows + start, "other": columns + beside, "correlation": values}))
    empty = pd.DataFrame({"one": np.array([], np.int64), "other": np.array([], np.int64), "correlation": []})
    found = pd.concat(parts, ignore_index=True) if parts else empty
    return found.sort_values(["one", "other"], ignore_index=True)


def sheet(train: ImageSet, target: ImageSet, pairs: pd.DataFrame) -> Image.Image:
    """Draw pairs side by side with their correlation, training image left, lowest correlation first."""
    doubtful = pairs.sort_values(["correlation", "one", "other"]).head(SHOWN)
    width, height = 2 * TILE + 12, TILE + LABEL + 8
    canvas = Image.new("RGB", (ACROSS * width, -(-len(doubtful) // ACROSS) * height), "white")
    pen = ImageDraw.Draw(canvas)
    for place, (one, other, correlation) in enumerate(doubtful.itertuples(index=False)):
        x, y = place % ACROSS * width, place // ACROSS * height
        pen.text((x + 4, y + 2), f"{correlation:.3f}", fill="black")
        canvas.paste(train.picture(one), (x, y + LABEL))
        canvas.paste(target.picture(other), (x + TILE + 2, y + LABEL))
    return canvas
