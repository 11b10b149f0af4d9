"""Convert any kind of photo to square pixels and to the network's input."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zfpipe.errors import UserError
from zfpipe.writing.decode import MOST_PIXELS, UnreadableImageError, pillow_pixels, pixels
from zfpipe.writing.resize import centre_square

KINDS = "a path, a PIL image, an array (y, x, 3) or a tensor (3, y, x)"


@dataclass(frozen=True)
class Preparation:
    """How to prepare a photo: shortest side to `resize` pixels, centre of `size` x `size`, minus `mean`, over `std`.

    `mean` and `std` are for pixels from 0 to 1, for each colour `(3, 1, 1)` or for each pixel `(3, size, size)`.
    """

    size: int
    resize: int
    mean: Tensor
    std: Tensor

    def square(self, photo: Any) -> np.ndarray:
        """Return the pixels that the network sees: uint8 `(size, size, 3)`, RGB, upright.

        An array or tensor of exactly `size` x `size` is not resized. Raises UserError for no photo.
        """
        whole = decoded(photo)
        if not isinstance(photo, str | os.PathLike | Image.Image) and whole.shape[:2] == (self.size, self.size):
            return whole
        top = (self.resize - self.size) // 2
        return centre_square(whole, self.resize)[top : top + self.size, top : top + self.size]

    def tensor(self, squares: list[np.ndarray]) -> Tensor:
        """Return squares as the network's input `(batch, 3, size, size)`."""
        images = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float().div(255).to(self.mean.device)
        return (images - self.mean) / self.std

    def grey(self, value: float) -> Tensor:
        """Return a uniform grey image, 0 to 255, as the network's input `(3, size, size)`."""
        return self.tensor([np.full((self.size, self.size, 3), 0, np.uint8)])[0] + value / 255 / self.std


def decoded(photo: Any) -> np.ndarray:
    """Return a photo's pixels: uint8 `(y, x, 3)`, RGB, turned as EXIF says. Raises UserError for no photo."""
    if isinstance(photo, str | os.PathLike):
        try:
            return pixels(Path(photo).read_bytes())
        except OSError as error:
            raise UserError(f"{photo}: {error.strerror or error}; must be a photo") from None
        except UnreadableImageError as reason:
            raise UserError(f"{photo} can't be read: {reason}; must be a JPEG, PNG, WebP or the like") from None
    if isinstance(photo, Image.Image):
        if photo.width * photo.height > MOST_PIXELS:
            raise UserError(f"a photo of {photo.width}x{photo.height} pixels; must be at most {MOST_PIXELS:,}")
        return pillow_pixels(photo)
    if isinstance(photo, Tensor):
        photo = photo.detach().cpu()
        if photo.dim() == 4 and len(photo) == 1:
            photo = photo[0]
        if photo.dim() != 3 or len(photo) != 3:
            raise UserError(f"a tensor of shape {tuple(photo.shape)}; must be (3, y, x), RGB")
        photo = photo.permute(1, 2, 0).numpy()
    if not isinstance(photo, np.ndarray):
        raise UserError(f"a {type(photo).__name__} is no photo; must be {KINDS}")
    return of_array(photo)


def of_array(array: np.ndarray) -> np.ndarray:
    """Return an array's pixels as uint8. Raises UserError if shape or values do not fit a photo."""
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UserError(f"an array of shape {array.shape}; must be (y, x, 3), RGB")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    low, high = float(array.min()), float(array.max())
    if not np.issubdtype(array.dtype, np.floating) or not (low >= -1e-6 and high <= 1 + 1e-6):
        raise UserError(
            f"pixels of {array.dtype} from {low:.3g} to {high:.3g}; must be uint8, or floats from 0 to 1 before a mean "
            "is subtracted"
        )
    return np.rint(array.clip(0, 1) * 255).astype(np.uint8)
