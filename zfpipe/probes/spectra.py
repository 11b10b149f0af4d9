"""Measure frequencies in filters and projections, which section 4.1 describes in words (Fig. 6)."""

import numpy as np
from jaxtyping import Float

BANDS = {"low": (0.0, 1 / 8), "middle": (1 / 8, 1 / 4), "high": (1 / 4, 1.0)}
"""Distance from zero frequency in cycles per pixel: from (included), to (excluded)."""
GRID = 32
"""Filters are padded to this many pixels, which gives smooth spectra for sizes 7 and 11 alike."""
LINE, BESIDE = 2, (5, 9)
"""Half the width of a spectral line, and where its neighbourhood begins and ends: bins at twice the picture's size."""


def coverage(filters: Float[np.ndarray, "map 3 y x"]) -> dict[str, float]:
    """Return the share of power in each band, averaged over filters; an all-zero filter counts 0."""
    return {name: float(share.mean()) for name, share in shares(filters).items()}


def shares(filters: Float[np.ndarray, "map 3 y x"]) -> dict[str, Float[np.ndarray, "map"]]:
    """Return the share of each filter's power in each band; 0 for an all-zero filter."""
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
    """Return the ratio of power at a stride's sampling frequency, 1 / `stride` per pixel, to power beside it.

    Equal power gives 1; a grid of dots `stride` pixels apart gives much more. The ratio is a mean over the frequency's
    multiples. Rows, columns and all projections are summed first, each projection scaled to power 1. Stride 1 gives 1.
    """
    return lines(profiles(projections, stride), stride)


def profiles(projections: Float[np.ndarray, "map y x 3"], stride: int) -> Float[np.ndarray, "map bin"]:
    """Return each windowed projection's power summed over rows and columns, scaled to power 1; 0 for a zero one."""
    size = projections.shape[1]
    bins = stride * -(-2 * size // stride)
    window = np.hanning(size + 2)[1:-1]
    windowed = projections.astype(np.float64) * window[:, None, None] * window[:, None]
    power = (np.abs(np.fft.fft2(windowed, (bins, bins), axes=(1, 2))) ** 2).sum(3)
    total = power.sum((1, 2), keepdims=True)
    power = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return power.sum(1) + power.sum(2)


def lines(found: Float[np.ndarray, "map bin"], stride: int) -> float:
    """Compute `aliasing` from the profiles of the projections."""
    profile, first = found.sum(0), found.shape[1] // stride
    ratios = [standing_out(profile, first * multiple) for multiple in range(1, stride // 2 + 1)]
    return float(np.mean(ratios)) if ratios else 1.0


def standing_out(profile: Float[np.ndarray, "bin"], line: int) -> float:
    """Return power at a line over the geometric mean of the power on both sides; the spectrum is periodic and even."""
    at = profile[np.arange(line - LINE, line + LINE + 1) % len(profile)].mean()
    first, last = BESIDE
    sides = [profile[np.arange(line + first, line + last + 1) % len(profile)].mean()]
    sides.append(profile[np.arange(line - last, line - first + 1) % len(profile)].mean())
    beside = np.sqrt(sides[0] * sides[1])
    return float(at / beside) if beside > 0 else 1.0
