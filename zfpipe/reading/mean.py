"""The per-pixel mean of the training images, subtracted from every image (section 3)."""

from pathlib import Path

import numpy as np

from zfpipe.errors import UserError
from zfpipe.reading.crops import ten_crops
from zfpipe.reading.reader import Batches


class PixelSum:
    """Adds uint8 images `(batch, y, x, 3)` as integers, so the mean does not depend on the order of the images."""

    def __init__(self) -> None:
        self.total: np.ndarray | None = None
        self.images = 0

    def add(self, images: np.ndarray) -> None:
        """Add a batch."""
        total = images.sum(0, dtype=np.uint64)
        self.total = total if self.total is None else self.total + total
        self.images += len(images)

    def mean(self) -> np.ndarray:
        """Return the mean: float32 `(y, x, 3)`, 0 to 255."""
        assert self.total is not None
        return (self.total / self.images).astype(np.float32)


def measure(batches: Batches) -> np.ndarray:
    """Return the mean of all images of a beton: float32 `(y, x, 3)`, 0 to 255."""
    total = PixelSum()
    for batch in batches.epoch():
        total.add(batch.images.numpy())
    return total.mean()


def read(path: Path) -> np.ndarray:
    """Load a mean: float32 `(y, x, 3)`. Raises UserError if the file is damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path} is damaged ({said}); make it again: dvc repro -f mean") from None


def mean_crops(mean: np.ndarray, crop: int) -> np.ndarray:
    """Return the ten crops of the mean: float32 `(10, crop, crop, 3)`."""
    return np.ascontiguousarray(ten_crops(mean, crop))
