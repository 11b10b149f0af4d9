"""Frequencies in filters and projections: what section 4.1 says of Fig. 6 in words, as numbers."""

import numpy as np
from jaxtyping import Float

BANDS = {"low": (0.0, 1 / 8), "middle": (1 / 8, 1 / 4), "high": (1 / 4, 1.0)}
"""Distance from zero frequency, in cycles per pixel: from, up to but not including."""
GRID = 32
"""Filters are padded to so many pixels: smooth spectra for sizes of 7 and 11 alike."""
LINE, BESIDE = 2, (5, 9)
"""Half the width of a spectral line, and where its neighbourhood begins and ends: bins at twice the picture's size."""


def coverage(filters: Float[np.ndarray, "map 3 y x"]) -> dict[str, float]:
    """The share of power in each band, a mean over filters, each of which counts the same; all zero: 0."""
    return {name: float(share.mean()) for name, share in shares(filters).items()}


def shares(filters: Float[np.ndarray, "map 3 y x"]) -> dict[str, Float[np.ndarray, "map"]]:
    """The share of each filter's power in each band; of a filter that is all zero: 0."""
    power = (np.abs(np.fft.fft2(filters.astype(np.float64), (GRID, GRID))) ** 2).sum(1)
    total = power.sum((1, 2))
    frequency = np.fft.fftfreq(GRID)
    distance = np.hypot(frequency[:, None], frequency[None, :])
    found = {}
    for name, (start, end) in BANDS.items():
        inside = power[:, (distance >= start) & (distance < end)].sum(1)
        found[name] = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
    return found


def aliasing(projections: Float[np.ndarray, "map y x 3"], stride: int) -> float:
    """How far power at the sampling frequency of a stride, 1 / `stride` per pixel, stands above what lies beside it.

    1: as much as beside it; a grid of dots `stride` pixels apart gives much more. The mean over the frequency's
    multiples, rows and columns, all projections together, each with the same power. Stride 1 samples nothing away: 1.
    """
    return lines(profiles(projections, stride), stride)


def profiles(projections: Float[np.ndarray, "map y x 3"], stride: int) -> Float[np.ndarray, "map bin"]:
    """The power of each windowed projection along rows and columns together, all of it 1; of a flat one 0."""
    size = projections.shape[1]
    bins = stride * -(-2 * size // stride)
    window = np.hanning(size + 2)[1:-1]
    windowed = projections.astype(np.float64) * window[:, None, None] * window[:, None]
    power = (np.abs(np.fft.fft2(windowed, (bins, bins), axes=(1, 2))) ** 2).sum(3)
    total = power.sum((1, 2), keepdims=True)
    power = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return power.sum(1) + power.sum(2)


def lines(found: Float[np.ndarray, "map bin"], stride: int) -> float:
    """`aliasing` from the profiles of the projections."""
    profile, first = found.sum(0), found.shape[1] // stride
    ratios = [standing_out(profile, first * multiple) for multiple in range(1, stride // 2 + 1)]
    return float(np.mean(ratios)) if ratios else 1.0


def standing_out(profile: Float[np.ndarray, "bin"], line: int) -> float:
    """Power at a line over the geometric mean of that on its two sides; the spectrum is periodic and even."""
    at = profile[np.arange(line - LINE, line + LINE + 1) % len(profile)].mean()
    first, last = BESIDE
    sides = [profile[np.arange(line + first, line + last + 1) % len(profile)].mean()]
    sides.append(profile[np.arange(line - last, line - first + 1) % len(profile)].mean())
    beside = np.sqrt(sides[0] * sides[1])
    return float(at / beside) if beside > 0 else 1.0
