"""Test spectra of filters and projections with known frequencies."""

import numpy as np
import pytest

from zfpipe.probes.spectra import aliasing, coverage


def wave(frequency: float, angle: float, size: int = 11) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    envelope = np.exp(-(x**2 + y**2) / 18)
    return np.repeat((np.cos(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle))) * envelope)[None], 3, 0)


@pytest.mark.parametrize(("frequency", "band"), [(0.02, "low"), (0.19, "middle"), (0.4, "high")])
@pytest.mark.parametrize("angle", [0.0, 0.7, 1.57])
def test_a_wave_lies_in_its_band(frequency: float, band: str, angle: float) -> None:
    shares = coverage(wave(frequency, angle)[None])
    assert shares[band] > 0.7
    assert sum(shares.values()) == pytest.approx(1)


def test_each_filter_counts_the_same_whatever_its_strength() -> None:
    both = coverage(np.stack([wave(0.02, 0), 100 * wave(0.4, 0)]))
    each = [coverage(wave(frequency, 0)[None]) for frequency in (0.02, 0.4)]
    for band, share in both.items():
        assert share == pytest.approx((each[0][band] + each[1][band]) / 2)
    assert coverage(np.zeros((2, 3, 7, 7), np.float32)) == {"low": 0, "middle": 0, "high": 0}


@pytest.mark.parametrize("size", [27, 51])
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_dots_as_far_apart_as_the_stride_stand_out(stride: int, size: int) -> None:
    noise = np.random.default_rng(0).normal(0, 1, (60, size, size, 3))
    assert aliasing(noise, stride) == pytest.approx(1, abs=0.15)
    dots = noise.copy()
    dots[:, ::stride, ::stride] += 3
    assert aliasing(dots, stride) > 2.5
    assert aliasing(dots * 50, stride) == pytest.approx(aliasing(dots, stride)), "the strength must not matter"


def test_other_periods_do_not_count_as_aliasing() -> None:
    dots = np.random.default_rng(0).normal(0, 1, (60, 51, 51, 3))
    dots[:, ::5, ::5] += 3
    assert aliasing(dots, 4) < 1.2


def test_nothing_and_stride_1_have_no_aliasing() -> None:
    assert aliasing(np.zeros((3, 27, 27, 3), np.float32), 2) == 1
    assert aliasing(np.ones((3, 27, 27, 3), np.float32), 1) == 1
