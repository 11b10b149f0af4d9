"""The per-pixel mean of the training images, subtracted from every image (section 3)."""

from pathlib import Path

import numpy as np

from zfpipe.errors import UserError
from zfpipe.reading.crops import ten_crops
from zfpipe.reading.reader import Batches


class PixelSum:
    """Adds up uint8 images `(batch, y, x, 3)` in whole numbers, so that no order changes the mean."""

    def __init__(self) -> None:
        self.total: np.ndarray | None = None
        self.images = 0

    def add(self, images: np.ndarray) -> None:
        """Adds a batch."""
        total = images.sum(0, dtype=np.uint64)
        self.total = total if self.total is None else self.total + total
        self.images += len(images)

    def mean(self) -> np.ndarray:
        """The mean: float32 `(y, x, 3)`, 0 to 255."""
        assert self.total is not None
        return (self.total / self.images).astype(np.float32)


def measure(batches: Batches) -> np.ndarray:
    """The mean of all images of a beton: float32 `(y, x, 3)`, 0 to 255."""
    total = PixelSum()
    for batch in batches.epoch():
        total.add(batch.images.numpy())
    return total.mean()


def read(path: Path) -> np.ndarray:
    """Loads a mean: float32 `(y, x, 3)`. Raises UserError when the file is damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path} is damaged ({said}); make it again: dvc repro -f mean") from None


def mean_crops(mean: np.ndarray, crop: int) -> np.ndarray:
    """The mean cut and flipped as the ten crops are: float32 `(10, crop, crop, 3)`."""
    return np.ascontiguousarray(ten_crops(mean, crop))
