"""The patterns and words that all classes share: which part carries which is what tells classes of a family apart."""

import numpy as np

PATTERNS = ("bars", "checks", "stripes")
"""Level bars, a chessboard, upright stripes."""
WORDS = ("FUN", "TEA", "ZOO")
"""Of three letters each; no two words share one."""
PERIOD = 0.14
"""Of a pattern in a figure's own units: 4 to 6 pixels in a crop of 96."""
FINEST = 6.5
"""The shortest period in pixels of a picture as it is drawn, before it is made smaller."""


def weave(pattern: str, place: tuple[np.ndarray, np.ndarray], period: float) -> np.ndarray:
    """How much of the second colour there is at each place x, y: 0 to 1, half on average, whatever the pattern.

    No sine is used: its last bit may differ between processors.
    """
    x, y = place
    if pattern == "bars":
        wave = triangle(y, period)
    elif pattern == "stripes":
        wave = triangle(x, period)
    else:  # a chessboard is fine along its diagonals: a longer period makes it as coarse as the others
        wave = 1.5 * triangle(x, 1.4 * period) * triangle(y, 1.4 * period)
    return np.clip(0.5 + 1.5 * wave, 0, 1)


def triangle(along: np.ndarray, period: float) -> np.ndarray:
    """A wave of straight lines between -1 and 1, float32."""
    turns = along * np.float32(1 / period)
    return np.abs(turns - np.floor(turns) - np.float32(0.5)) * np.float32(4) - np.float32(1)
