"""Masks and boxes of the object and its parts in an image's centre crop, from the index's annotations."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

from zfpipe.index.images import SIDES, Box, read_index
from zfpipe.reading.crops import CENTRE, offsets


class Truth:
    """Masks and boxes of one split's images, converted from pixels of the image to pixels of the centre crop."""

    def __init__(self, index: Path, split: str, resize: int, crop: int):
        rows = read_index(index, also=("mask", "parts")).query("split == @split").set_index("id")
        self.resize = resize
        self.crop = crop
        self.offset = int(offsets(resize, crop)[CENTRE][0])
        self.rows: dict[int, dict[str, Any]] = rows.to_dict("index")  # pyright: ignore

    def object(self, image: int) -> Bool[np.ndarray, "y x"] | None:
        """Return the crop's pixels that show the object (mask or filled box), or None if unknown or outside."""
        row = self.rows[image]
        if not row["width"] or not row["height"]:
            return None
        if row["mask"] is not None:
            mask = cv2.imdecode(np.frombuffer(row["mask"], np.uint8), cv2.IMREAD_GRAYSCALE)
            assert mask is not None
            size, left, top = square(row)
            shrunk = cv2.INTER_AREA if size >= self.resize else cv2.INTER_LINEAR
            inside = np.ascontiguousarray(mask[top : top + size, left : left + size])
            whole = cv2.resize(inside, (self.resize, self.resize), interpolation=shrunk)
            crop = slice(self.offset, self.offset + self.crop)
            found = whole[crop, crop] >= 128
        elif np.isfinite(row["box_x0"]):
            found = filled(self.placed(row, Box(*(row[f"box_{side}"] for side in SIDES))), self.crop)
        else:
            return None
        return found if found.any() else None

    def mask(self, image: int) -> Bool[np.ndarray, "y x"]:
        """Return `object`, or a mask without pixels if `object` is None."""
        found = self.object(image)
        return np.zeros((self.crop, self.crop), bool) if found is None else found

    def parts(self, image: int) -> dict[str, Box]:
        """Return boxes of the object's parts in pixels of the crop. Parts that reach beyond the crop are left out."""
        row = self.rows[image]
        if row["parts"] is None or not row["width"] or not row["height"]:
            return {}
        placed = {part["part"]: self.placed(row, Box(*(float(part[side]) for side in SIDES))) for part in row["parts"]}
        return {
            part: box for part, box in placed.items() if min(box.x0, box.y0) >= 0 and max(box.x1, box.y1) <= self.crop
        }

    def placed(self, row: dict[str, Any], box: Box) -> Box:
        """Convert a box from pixels of the image to pixels of the crop."""
        size, left, top = square(row)
        scale = self.resize / size
        (x0, x1), (y0, y1) = (
            [(side - start) * scale - self.offset for side in sides]
            for sides, start in (((box.x0, box.x1), left), ((box.y0, box.y1), top))
        )
        return Box(x0, y0, x1, y1)


def square(row: dict[str, Any]) -> tuple[int, int, int]:
    """Return side, left and top of an image's centre square."""
    width, height = int(row["width"]), int(row["height"])
    size = min(width, height)
    return size, (width - size) // 2, (height - size) // 2


def filled(box: Box, crop: int) -> Bool[np.ndarray, "y x"]:
    """Return a mask of the pixels whose centres lie in the box."""
    centres = np.arange(crop) + 0.5
    return ((centres >= box.y0) & (centres < box.y1))[:, None] & ((centres >= box.x0) & (centres < box.x1))
