"""Test the geometry of the ten crops, and the choice of an image's crop."""

import numpy as np
import pytest

from tests.writing.plain import plain_crop, plain_crop_number
from zfpipe.reading.crops import CENTRE, TEN, crop_number, offsets, ten_crops


@pytest.mark.parametrize(("side", "crop"), [(9, 5), (8, 5), (6, 6), (7, 1)])
def test_ten_crops_are_those_of_the_plain_twin(side: int, crop: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    expected = np.stack([plain_crop(image, crop, number) for number in range(TEN)])
    np.testing.assert_array_equal(ten_crops(image, crop), expected)


def test_corners_touch_the_border_and_the_centre_lies_between() -> None:
    places = offsets(256, 224)
    np.testing.assert_array_equal(places, [[0, 0], [0, 32], [32, 0], [32, 32], [16, 16]])
    np.testing.assert_array_equal(places[CENTRE], [16, 16])


def test_crop_numbers_are_those_of_the_plain_twin() -> None:
    places = np.array([0, 1, 2, 1_281_166, 2**40])
    for seed, epoch in [(0, 0), (0, 1), (1, 0), (2**31 - 1, 10_000)]:
        expected = [plain_crop_number(seed, epoch, int(place)) for place in places]
        np.testing.assert_array_equal(crop_number(seed, epoch, places), expected)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 1), (1, 0)])
def test_each_crop_is_shown_equally_often(seed: int, epoch: int) -> None:
    counts = np.bincount(crop_number(seed, epoch, np.arange(100_000)), minlength=TEN)
    # Chi-squared with 9 degrees of freedom stays below 33.7 in 9,999 of 10,000 samples.
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 33.7


def test_epochs_and_seeds_are_independent() -> None:
    places = np.arange(100_000)
    for other in [(0, 1), (1, 0), (1, 1)]:
        agreement = (crop_number(0, 0, places) == crop_number(*other, places)).mean()
        assert abs(agreement - 0.1) < 0.005  # 5 standard deviations


def test_neighbours_are_independent() -> None:
    numbers = crop_number(0, 0, np.arange(100_001))
    assert abs((numbers[1:] == numbers[:-1]).mean() - 0.1) < 0.005
