"""Patterns and words that all classes share: classes of a family differ only in which part carries which."""

import numpy as np

PATTERNS = ("bars", "checks", "stripes")
"""Level bars, a chessboard, upright stripes."""
WORDS = ("FUN", "TEA", "ZOO")
"""Words of three letters; no two words share a letter."""
PERIOD = 0.14
"""Period of a pattern in a figure's own units: 4 to 6 pixels in a crop of 96."""
FINEST = 6.5
"""Shortest period in pixels of the drawn picture, before the picture is reduced."""


def weave(pattern: str, place: tuple[np.ndarray, np.ndarray], period: float) -> np.ndarray:
    """Return the share of the second colour at each place x, y: 0 to 1, half on average for every pattern.

    No sine is used: its last bit may differ between processors.
    """
    x, y = place
    if pattern == "bars":
        wave = triangle(y, period)
    elif pattern == "stripes":
        wave = triangle(x, period)
    else:  # a chessboard is finer along its diagonals: a longer period makes it as coarse as the others
        wave = 1.5 * triangle(x, 1.4 * period) * triangle(y, 1.4 * period)
    return np.clip(0.5 + 1.5 * wave, 0, 1)


def triangle(along: np.ndarray, period: float) -> np.ndarray:
    """Return a triangle wave between -1 and 1, float32."""
    turns = along * np.float32(1 / period)
    return np.abs(turns - np.floor(turns) - np.float32(0.5)) * np.float32(4) - np.float32(1)
