"""Hold numbers with their intervals, and print all numbers in one way."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float

from zfpipe.probes.intervals import student

NOTHING = "–"


@dataclass(frozen=True)
class Measure:
    """A number that this run measured, with its 95 % interval.

    `low` and `high` are None without an interval. `n` and `over` say how many samples there are, such as 5 seeds.
    `part` names the layer, part or row that was measured. `published` is the paper's number for it.
    `deviation` is the standard deviation over the `n` samples, if the paper prints one.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    over: str = ""
    part: str = ""
    published: float | None = None
    deviation: float | None = None

    @classmethod
    def mean(cls, values: Float[np.ndarray, "one"], over: str, part: str = "", published: float | None = None) -> Self:
        """Return the mean of a few values, with Student's interval if there are two or more."""
        value, n = float(values.mean()), len(values)
        if n < 2:
            return cls(value, None, None, n, over, part, published)
        _, half = student(values)
        return cls(value, value - half, value + half, n, over, part, published, float(values.std(ddof=1)))

    @property
    def count(self) -> str:
        """The samples behind the number, such as `1,000 images`, or `one seed: no interval`."""
        if self.n == 1:
            return f"one {self.over.removesuffix('s')}" + ": no interval" * (self.low is None)
        return f"{self.n:,} {self.over}" if self.n is not None else self.over

    def text(self, decimals: int | None = None, sign: bool = False, unit: str = "") -> str:
        """Return `2.1 points (1.0 to 3.2)`."""
        words = f"{number(self.value, decimals, sign)} {unit}".rstrip()
        return words if self.low is None else f"{words} ({self.interval(decimals, sign)})"

    def interval(self, decimals: int | None = None, sign: bool = False) -> str:
        """Return `1.0 to 3.2`, or a dash without an interval."""
        if self.low is None:
            return NOTHING
        return f"{number(self.low, decimals, sign)} to {number(self.high, decimals, sign)}"

    def plus_minus(self, decimals: int) -> str:
        """Return `12.3 ± 0.4`, with the standard deviation if there is one, else with half of the interval."""
        half = self.deviation
        if half is None and self.low is not None and self.high is not None:
            half = (self.high - self.low) / 2
        words = number(self.value, decimals)
        return words if half is None else f"{words} ± {number(half, decimals)}"


def number(value: float | None, decimals: int | None = None, sign: bool = False) -> str:
    """Return a number as text, with a true minus sign and commas between thousands.

    Without `decimals`, a number has about three digits. None and NaN become a dash, infinity becomes `never`.
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "never"
    if decimals is None:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    rounded = round(value, decimals) + 0.0  # no negative zero
    return f"{rounded:{'+' if sign else ''},.{decimals}f}".replace("-", "−")


def percent(share: float | None, decimals: int = 0) -> str:
    """Return a share as `12%`."""
    return NOTHING if share is None or math.isnan(share) else f"{number(100 * share, decimals)}%"


def amount(value: float) -> str:
    """Return a number with at most three significant digits and no trailing zeros, for parameters."""
    return f"{value:.3g}".replace("-", "−")
