"""Test that photos of every kind become the same square, and that anything else is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zfpipe.errors import UserError
from zfpipe.microscope.photo import Preparation

SPREAD = torch.tensor([0.2, 0.3, 0.4])[:, None, None]
PREPARATION = Preparation(32, 40, torch.tensor([0.5, 0.25, 0.125])[:, None, None], SPREAD)


def picture(height: int = 57, width: int = 90) -> np.ndarray:
    """Return colours that change smoothly, so that resizing loses little."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 255 // height, x * 255 // width, (x + y) % 200], 2).astype(np.uint8)


def test_a_photo_is_the_same_in_every_form(tmp_path: Path) -> None:
    array, path = picture(), tmp_path / "photo.png"
    Image.fromarray(array).save(path)
    expected = PREPARATION.square(path)
    assert expected.shape == (32, 32, 3)
    assert expected.dtype == np.uint8
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    others: list[Any] = [str(path), Image.open(path), array, array / 255, tensor]
    others += [tensor / 255, tensor[None].double() / 255]
    for other in others:
        assert np.array_equal(PREPARATION.square(other), expected)


def test_the_shortest_side_is_resized_and_the_centre_cut() -> None:
    square = PREPARATION.square(np.kron(picture(40, 60), np.ones((2, 2, 1), np.uint8)))
    expected = picture(40, 60)[4:36, 14:46].astype(int)
    assert np.abs(square.astype(int) - expected)[1:-1, 1:-1].max() <= 3


def test_a_square_of_the_right_size_is_not_changed() -> None:
    array = picture(32, 32)
    assert np.array_equal(PREPARATION.square(array), array)
    assert np.array_equal(PREPARATION.square(torch.from_numpy(array).permute(2, 0, 1).float() / 255), array)


def test_exif_turns_a_photo(tmp_path: Path) -> None:
    upright, path = picture(), tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(path, exif=exif, quality=95)
    for photo in (path, Image.open(path)):
        assert np.abs(PREPARATION.square(photo).astype(int) - PREPARATION.square(upright)).mean() < 5


def test_the_network_gets_pixels_minus_the_mean_over_the_spread() -> None:
    array = picture(32, 32)
    found = PREPARATION.tensor([array, array[::-1]])
    assert found.shape == (2, 3, 32, 32)
    assert found[0, 1, 3, 7].item() == pytest.approx((array[3, 7, 1] / 255 - 0.25) / 0.3, rel=1e-5)
    torch.testing.assert_close(PREPARATION.grey(51), ((0.2 - PREPARATION.mean) / SPREAD).expand(3, 32, 32))


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        ("nowhere.jpg", "nowhere.jpg: No such file"),
        (__file__, "can't be read: not an image in a known format; must be a JPEG"),
        (7, "a int is no photo; must be a path"),
        (torch.zeros(1, 9, 9), r"a tensor of shape \(1, 9, 9\); must be \(3, y, x\)"),
        (torch.zeros(2, 3, 9, 9), r"a tensor of shape \(2, 3, 9, 9\)"),
        (np.zeros((9, 9), np.uint8), r"an array of shape \(9, 9\); must be \(y, x, 3\)"),
        (torch.randn(3, 9, 9) * 3, "pixels of float32 from -.* must be uint8, or floats from 0 to 1 before a mean"),
        (np.zeros((9, 9, 3), np.int64), "pixels of int64"),
        (np.full((9, 9, 3), np.nan), "pixels of float64"),
    ],
)
def test_anything_but_a_photo_is_refused_in_one_line(photo: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        PREPARATION.square(photo)
    assert "\n" not in str(error.value)
