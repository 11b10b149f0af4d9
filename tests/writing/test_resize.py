"""Test resizing in whole numbers against resizing in fractions, pixel by pixel, and against Pillow."""

import math

import numpy as np
import pytest
from PIL import Image

from zfpipe.writing.resize import centre_square

SIZES = [(9, 4), (16, 5), (375, 256), (500, 256), (5, 5), (3, 8), (1, 4), (200, 3)]


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)


def plain_resize(image: np.ndarray, side: int) -> np.ndarray:
    """Return weighted means of all pixels, the weight falling linearly with the distance: float `(side, side, 3)`."""
    reach = max(len(image) / side, 1)
    weights = np.zeros((side, len(image)))
    for new in range(side):
        for old in range(len(image)):
            distance = abs((old + 0.5) - (new + 0.5) * len(image) / side)
            weights[new, old] = max(0, 1 - distance / reach)
        weights[new] /= math.fsum(weights[new])
    return np.einsum("ya,xb,abc->yxc", weights, weights, image.astype(float), optimize=True)


@pytest.mark.parametrize(("size", "side"), SIZES)
def test_resizing_equals_fractions_and_pillow(size: int, side: int) -> None:
    image = noise(size, size)
    got = centre_square(image, side)
    assert got.shape == (side, side, 3)
    assert got.dtype == np.uint8
    assert np.abs(got - plain_resize(image, side)).max() < 1.01  # rounded after each of the two axes
    pillow = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
    assert np.abs(got.astype(int) - pillow).max() <= 1
    assert abs(got.mean() - pillow.mean()) < 0.2  # values are rounded, not cut off


@pytest.mark.parametrize(("size", "side"), [*SIZES, (5000, 16), (1, 1024)])
def test_an_even_area_keeps_its_level(size: int, side: int) -> None:
    for level in (0, 1, 128, 255):
        image = np.broadcast_to(np.array([level, 255 - level, level], np.uint8), (size, min(size, 40), 3))
        image = image if size > 40 else np.broadcast_to(image[:, :1], (size, size, 3))
        got = centre_square(np.ascontiguousarray(image), side)
        assert (got == image[0, 0]).all()


@pytest.mark.parametrize(("height", "width"), [(20, 51), (51, 20), (20, 21), (20, 20), (1, 9)])
def test_a_centre_square_of_the_same_size_is_only_cut(height: int, width: int) -> None:
    image, side = noise(height, width), min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    np.testing.assert_array_equal(centre_square(image, side), image[top : top + side, left : left + side])


def test_pixels_outside_the_square_do_not_count() -> None:
    image = noise(64, 100)
    other = image.copy()
    other[:, :18] = other[:, 82:] = 0
    np.testing.assert_array_equal(centre_square(image, 30), centre_square(other, 30))
