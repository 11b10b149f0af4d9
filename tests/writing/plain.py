"""Prepare pictures (section 3) a second time: slower and simpler."""

import io

import numpy as np
from PIL import Image


def plain_square(data: bytes, resize: int) -> np.ndarray:
    """Return the resized centre square of an upright picture without transparency, by Pillow alone."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((resize, resize), Image.Resampling.BILINEAR))


def plain_crop(image: np.ndarray, crop: int, number: int) -> np.ndarray:
    """Return crop `number`.

    The order is top left, top right, bottom left, bottom right, centre, and then the same flipped left to right.
    """
    side = len(image)
    top, left = {
        0: (0, 0),
        1: (0, side - crop),
        2: (side - crop, 0),
        3: (side - crop, side - crop),
        4: ((side - crop) // 2, (side - crop) // 2),
    }[number % 5]
    out = np.empty((crop, crop, 3), image.dtype)
    for y in range(crop):
        for x in range(crop):
            out[y, x] = image[top + y, left + (x if number < 5 else crop - 1 - x)]
    return out


def plain_crop_number(seed: int, epoch: int, place: int) -> int:
    """Compute splitmix64 (Steele, Lea and Flood 2014) in Python's own whole numbers."""
    state = 0
    for word in (place, epoch, seed):
        state = (state + word + 0x9E3779B97F4A7C15) % 2**64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
        state ^= state >> 31
    return state % 10
