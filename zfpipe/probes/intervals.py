"""Intervals: how far a mean or median would move with other images, maps, seeds or folds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import stdtrit

RESAMPLES = 2000
KNOWN = 0.1
"""A network knows images whose classes it gives a probability this far from an untrained network's to 1."""
AT_ONCE = 10_000_000
"""Values drawn at a time: bounds the memory at 160 MB."""


def bootstrap(values: Float[np.ndarray, "value"], middle: Callable[..., Any] = np.mean) -> tuple[float, float, float]:
    """The middle of some values and its 95 % percentile interval; values may be infinite, for a median."""
    rng, count = np.random.default_rng(0), len(values)
    rows = max(1, AT_ONCE // count)
    blocks = [(min(rows, RESAMPLES - first), count) for first in range(0, RESAMPLES, rows)]
    middles = np.concatenate([middle(values[rng.integers(0, count, block)], axis=1) for block in blocks])
    low, high = np.quantile(middles, (0.025, 0.975), method="nearest")
    return float(middle(values)), float(low), float(high)


def resampled(statistic: Callable[..., float], *groups: Shaped[np.ndarray, "..."]) -> tuple[float, float, float]:
    """A statistic of groups and its 95 % percentile interval; the rows of each group are drawn again by themselves."""
    rng = np.random.default_rng(0)
    draws = [statistic(*(group[rng.integers(0, len(group), len(group))] for group in groups)) for _ in range(RESAMPLES)]
    low, high = np.quantile(draws, (0.025, 0.975), method="nearest")
    return float(statistic(*groups)), float(low), float(high)


def bootstrap_pairs(values: Float[np.ndarray, "unit unit"]) -> tuple[float, float, float]:
    """The mean over all pairs of different units and its 95 % percentile interval; units are drawn again.

    `values` is symmetric. A unit that is drawn twice makes no pair with itself. A pair whose value is NaN does not
    count; where none counts, all three are NaN.
    """
    count = len(values)
    draws = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    drawn = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(np.float64)
    known = ~(np.eye(count, dtype=bool) | np.isnan(values))
    if not known.any():
        return np.nan, np.nan, np.nan
    apart = np.where(known, values, 0)
    totals, pairs = (((drawn @ one) * drawn).sum(1) for one in (apart, known.astype(np.float64)))
    means = totals[pairs > 0] / pairs[pairs > 0]
    low, high = np.quantile(means, (0.025, 0.975), method="nearest")
    return float(apart.sum() / known.sum()), float(low), float(high)


def student(values: Float[np.ndarray, "value"]) -> tuple[float, float]:
    """The mean of two or more values and half of its 95 % interval by Student's t: for a few seeds or folds."""
    half = student_half(len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def student_half(freedom: int) -> float:
    """Half of Student's 95 % interval, in standard errors."""
    return float(stdtrit(freedom, 0.975))


def spread(groups: Sequence[Float[np.ndarray, "_"]]) -> tuple[float, int]:
    """The standard deviation within groups, taken to be the same in all, and its degrees of freedom; 0: none known."""
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return (float(np.sqrt(squares / freedom)), freedom) if freedom else (0.0, 0)
