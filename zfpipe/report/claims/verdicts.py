"""When a claim holds: rules that were fixed before anything was measured, the same for every run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["holds", "does not hold", "undecided", "not measurable here"]
SCORES: dict[Verdict, int] = {"holds": 1, "undecided": 0, "does not hold": -1}
"""Verdicts as numbers, for `dvc metrics diff`; what can't be measured has none."""
WIDER = 1.5
"""What the paper calls small may be half as large again here as its own largest example."""
NARROWER = 0.5
"""What the paper calls large must be at least half of its own smallest example."""


class Unmeasurable(Exception):
    """Why there is no number: these parameters or pictures can't tell."""


@dataclass(frozen=True)
class Measure:
    """A number and its 95 % interval, over so many images, maps, seeds or folds.

    `part` names which layer, part or row of several it is of; `published` is the paper's number of the same. No
    interval: `over` says why.
    """

    value: float
    low: float | None
    high: float | None
    over: str
    part: str = ""
    published: float | None = None


@dataclass(frozen=True)
class Above:
    """The number is larger than a threshold."""

    threshold: float = 0.0

    def verdict(self, low: float, high: float) -> Verdict:
        """From the interval's ends."""
        return "holds" if low > self.threshold else "does not hold" if high < self.threshold else "undecided"

    def margin(self, measure: Measure) -> float:
        """How far the number lies on the claimed side."""
        return measure.value - self.threshold

    def words(self, unit: str) -> str:
        """The rule as people read it."""
        return f"holds above {amount(self.threshold, unit)}, not below"


@dataclass(frozen=True)
class Below:
    """The number is smaller than a threshold."""

    threshold: float

    def verdict(self, low: float, high: float) -> Verdict:
        """From the interval's ends."""
        return "holds" if high < self.threshold else "does not hold" if low > self.threshold else "undecided"

    def margin(self, measure: Measure) -> float:
        """How far the number lies on the claimed side."""
        return self.threshold - measure.value

    def words(self, unit: str) -> str:
        """The rule as people read it."""
        return f"holds below {amount(self.threshold, unit)}, not above"


@dataclass(frozen=True)
class Within:
    """The number is about 0: no further from it than a margin."""

    threshold: float

    def verdict(self, low: float, high: float) -> Verdict:
        """From the interval's ends."""
        if -self.threshold < low and high < self.threshold:
            return "holds"
        return "does not hold" if low > self.threshold or high < -self.threshold else "undecided"

    def margin(self, measure: Measure) -> float:
        """How far the number lies on the claimed side."""
        return self.threshold - abs(measure.value)

    def words(self, unit: str) -> str:
        """The rule as people read it."""
        return f"holds within ±{amount(self.threshold, unit)}, not outside"


Rule = Above | Below | Within


def amount(value: float, unit: str) -> str:
    """A threshold with its unit; 0 needs none."""
    return f"{value:.3g} {unit}" if value and unit else f"{value:.3g}"


def judge(rule: Rule, measures: Sequence[Measure]) -> tuple[Verdict, Measure]:
    """The verdict on a claim that must hold for all of some numbers, and the number that decides it.

    The whole interval on the claimed side: holds; on the other: does not hold; else, or without an interval: undecided.
    Of several the worst verdict counts, and of equal verdicts the number least on the claimed side.
    """
    verdicts: list[tuple[Verdict, Measure]] = [(verdict(rule, one), one) for one in measures]
    return min(verdicts, key=lambda found: (SCORES[found[0]], rule.margin(found[1])))


def verdict(rule: Rule, measure: Measure) -> Verdict:
    """The verdict on one number."""
    if measure.low is None or measure.high is None:
        return "undecided"
    return rule.verdict(measure.low, measure.high)
