"""The ten crops of section 3: their places, and the crop that an image shows in an epoch."""

import numpy as np

TEN = 10
PAPER_CROP = 224
"""Side of the paper's crops in pixels. Lengths that the paper gives in pixels are scaled to other sides."""
CENTRE = 4
"""Crops 0 to 4: top left, top right, bottom left, bottom right, centre. Crops 5 to 9: the same, mirrored."""


def offsets(resize: int, crop: int) -> np.ndarray:
    """Return the top and left pixel of crops 0 to 4 in a square image: int64 `(5, 2)`."""
    far = resize - crop
    middle = far // 2
    return np.array([[0, 0], [0, far], [far, 0], [far, far], [middle, middle]], np.int64)


def ten_crops(image: np.ndarray, crop: int) -> np.ndarray:
    """Return all ten crops of an image `(y, x, 3)`: `(10, crop, crop, 3)`."""
    five = np.stack([image[top : top + crop, left : left + crop] for top, left in offsets(len(image), crop)])
    return np.concatenate([five, five[:, :, ::-1]])


def crop_number(seed: int, epoch: int, index: np.ndarray) -> np.ndarray:
    """Return which crop each image shows: int64, a hash (splitmix64) of seed, epoch and the place in the beton."""
    with np.errstate(over="ignore"):
        mixed = mix(np.uint64(seed) + mix(np.uint64(epoch) + mix(index.astype(np.uint64))))
    return np.asarray(mixed % np.uint64(TEN), np.int64)


def mix(value: np.ndarray | np.uint64) -> np.ndarray | np.uint64:
    """Apply the finaliser of splitmix64: a change of any input bit changes about half of the output bits."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
