"""Bootstrap intervals: how far a mean or median would move with other images, or other maps."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000


def bootstrap(values: Float[np.ndarray, "value"], middle: Callable[..., Any] = np.mean) -> tuple[float, float, float]:
    """The middle of some values and its 95 % percentile interval; values may be infinite, for a median."""
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(middle(values[draws], axis=1), (0.025, 0.975), method="nearest")
    return float(middle(values)), float(low), float(high)
