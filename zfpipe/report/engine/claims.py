"""Test the paper's claims in words: a number for each claim, and a rule that judges the number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from zfpipe.report.engine.artefact import Data
from zfpipe.report.engine.measure import Measure, amount
from zfpipe.sections import Run, Targets

Verdict = Literal["holds", "does not hold", "undecided", "not measurable here"]
WORST: tuple[Verdict, ...] = ("does not hold", "undecided", "holds")  # among several numbers the worst verdict counts
WIDER = 1.5  # "small" may be up to 1.5 times the paper's own largest example
NARROWER = 0.5  # "large" must be at least half of the paper's own smallest example


class Unmeasurable(Exception):
    """These parameters or pictures give no number; the message is a clause for the report."""


@dataclass(frozen=True)
class Given:
    """Values of params.yaml for a measurement. `elsewhere` is true if zfnet's layers were not trained here.

    `metrics` holds the errors of each run from the stage `evaluate`.
    """

    runs: Mapping[str, Run]
    ensembles: Mapping[str, Sequence[str]]
    targets: Targets
    elsewhere: bool
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def own(self) -> Mapping[str, Run]:
        """The runs whose layers were trained here."""
        return {run: one for run, one in self.runs.items() if not (self.elsewhere and one.base == "model")}

    def needs(self, *runs: str) -> None:
        """Raise Unmeasurable if a run is missing, or if the network of Fig. 3 was not trained here."""
        if missing := [run for run in runs if run not in self.runs]:
            raise Unmeasurable(f"params.yaml has no run {', '.join(missing)}")
        if self.elsewhere and any(self.runs[run].base == "model" for run in runs):
            words = "it is about the network of Fig. 3, and this one's layers were trained elsewhere (model.source)"
            raise Unmeasurable(words)


@dataclass(frozen=True)
class Rule:
    """The claim holds between `low` and `high`. docs/rules.md says when the rules were written down."""

    low: float = -inf
    high: float = inf

    def verdict(self, measure: Measure) -> Verdict:
        """Judge by the interval: all inside holds, all outside on one side does not, anything else is undecided."""
        if measure.low is None or measure.high is None:
            return "undecided"
        if (self.low < measure.low or self.low == -inf) and (measure.high < self.high or self.high == inf):
            return "holds"
        return "does not hold" if measure.high < self.low or measure.low > self.high else "undecided"

    def margin(self, measure: Measure) -> float:
        """Return how far inside the rule's limits the number lies."""
        return min(measure.value - self.low, self.high - measure.value)

    def words(self, unit: str) -> str:
        """Return the rule in words."""

        def limit(value: float) -> str:
            return f"{amount(value)} {unit}" if value and unit else amount(value)

        if self.high == inf:
            return f"holds above {limit(self.low)}, not below"
        if self.low == -inf:
            return f"holds below {limit(self.high)}, not above"
        return f"holds within ±{limit(self.high)}, not outside"


def above(limit: float = 0.0) -> Rule:
    """Return the rule that the number is larger than a limit."""
    return Rule(low=limit)


def below(limit: float) -> Rule:
    """Return the rule that the number is smaller than a limit."""
    return Rule(high=limit)


def within(limit: float) -> Rule:
    """Return the rule that the number's size is at most a limit."""
    return Rule(-limit, limit)


Measures = Callable[[Data, Given], Sequence[Measure]]
"""A function from an artefact's files to a number for each thing that the claim must hold for."""


@dataclass(frozen=True)
class Premise:
    """An assumption of a claim, as a clause. If its numbers do not hold, the claim is not measurable."""

    words: str
    measure: Measures
    rule: Rule = field(default_factory=above)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper in our words, and its test.

    `measure` returns a number in `unit` for each thing that the claim must hold for. `statistic` says what the number
    is. `null` says what the number would be if the claim were false. `published` is the paper's number, if the measures
    do not have it. `why` says where the limit of the rule comes from. `section` is the paper's, if it is not the
    artefact's.
    """

    id: str
    claim: str
    statistic: str
    unit: str
    rule: Rule
    measure: Measures
    null: str
    premises: Sequence[Premise] = ()
    published: float | None = None
    why: str = ""
    section: str = ""


def judge(rule: Rule, measures: Sequence[Measure]) -> tuple[Verdict, Measure]:
    """Return the worst verdict on some numbers, and the number that decides, which lies least inside the rule."""
    verdicts: list[tuple[Verdict, Measure]] = [(rule.verdict(one), one) for one in measures]
    return min(verdicts, key=lambda found: (WORST.index(found[0]), rule.margin(found[1])))


def ours(data: Data, name: str) -> Any:
    """Return a file of the artefact's folder. Raise Unmeasurable if its stage had no results."""
    if (reason := getattr(data, "absent", None)) is not None:
        raise Unmeasurable(reason)
    return data[name]
