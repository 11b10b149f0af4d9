"""Test intervals over pairs of units against plain loops."""

from itertools import combinations

import numpy as np
import pytest

from zfpipe.probes import intervals


def symmetric(seed: int, count: int = 7, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(1, 1, (count, count))
    values[rng.random((count, count)) < missing] = np.nan
    return np.triu(values, 1) + np.triu(values, 1).T


def slow(values: np.ndarray, drawn: list[int]) -> float:
    """Return the mean over all pairs of drawn units, without pairs of a unit with itself and without NaN."""
    found = [values[one, other] for one, other in combinations(drawn, 2) if one != other]
    found = [value for value in found if not np.isnan(value)]
    return float(np.mean(found)) if found else float("nan")


@pytest.mark.parametrize("missing", [0, 0.3, 0.8])
def test_the_interval_over_pairs_equals_plain_loops(missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 100)
    values = symmetric(1, missing=missing)
    draws = np.random.default_rng(0).integers(0, 7, (100, 7))
    means = np.array([slow(values, draw.tolist()) for draw in draws])
    expected = np.quantile(means[~np.isnan(means)], (0.025, 0.975), method="nearest")
    assert intervals.bootstrap_pairs(values) == pytest.approx((slow(values, [*range(7)]), *expected))


def test_the_diagonal_does_not_count() -> None:
    values = symmetric(2)
    with_diagonal = values + np.diag([np.nan, *range(6)])
    assert intervals.bootstrap_pairs(with_diagonal) == intervals.bootstrap_pairs(values)


def test_without_pairs_the_interval_is_nan() -> None:
    assert np.isnan(intervals.bootstrap_pairs(np.full((4, 4), np.nan))).all()
