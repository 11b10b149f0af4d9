"""Compute intervals of a mean or median over images, maps, seeds or folds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import stdtrit

RESAMPLES = 2000
KNOWN = 0.1
"""A network knows an image if the true class's probability is this share of the way from untrained to 1."""
AT_ONCE = 10_000_000
"""Number of values drawn at a time, which bounds the memory at 160 MB."""


def bootstrap(values: Float[np.ndarray, "value"], middle: Callable[..., Any] = np.mean) -> tuple[float, float, float]:
    """Return the middle of some values and its 95 % percentile bootstrap interval; a median allows infinite values."""
    rng, count = np.random.default_rng(0), len(values)
    rows = max(1, AT_ONCE // count)
    blocks = [(min(rows, RESAMPLES - first), count) for first in range(0, RESAMPLES, rows)]
    middles = np.concatenate([middle(values[rng.integers(0, count, block)], axis=1) for block in blocks])
    low, high = np.quantile(middles, (0.025, 0.975), method="nearest")
    return float(middle(values)), float(low), float(high)


def resampled(statistic: Callable[..., float], *groups: Shaped[np.ndarray, "..."]) -> tuple[float, float, float]:
    """Return a statistic of groups and its 95 % percentile interval; each group's rows are resampled separately."""
    rng = np.random.default_rng(0)
    draws = [statistic(*(group[rng.integers(0, len(group), len(group))] for group in groups)) for _ in range(RESAMPLES)]
    low, high = np.quantile(draws, (0.025, 0.975), method="nearest")
    return float(statistic(*groups)), float(low), float(high)


def bootstrap_pairs(values: Float[np.ndarray, "unit unit"]) -> tuple[float, float, float]:
    """Return the mean over all pairs of different units and its 95 % percentile interval; units are resampled.

    `values` is symmetric. A unit that is drawn twice makes no pair with itself. A pair whose value is NaN does not
    count. If no pair counts, all three results are NaN.
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
    """Return the mean of two or more values, such as seeds, and half of its 95 % interval by Student's t."""
    half = student_half(len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def student_half(freedom: int) -> float:
    """Return half of Student's 95 % interval in standard errors, for `freedom` degrees of freedom."""
    return float(stdtrit(freedom, 0.975))


def spread(groups: Sequence[Float[np.ndarray, "_"]]) -> tuple[float, int]:
    """Return the pooled standard deviation of groups and its degrees of freedom; both are 0 if it is not known."""
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return (float(np.sqrt(squares / freedom)), freedom) if freedom else (0.0, 0)
