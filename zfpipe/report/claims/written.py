"""The ledger written out: for programs, for people, and as metrics that `dvc metrics diff` compares."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zfpipe.report.claims.verdicts import SCORES, Verdict
from zfpipe.report.numbers.measured import present

VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "undecided", "not measurable here")
COUNTED = ("hold", "do not hold", "undecided", "not measurable here")
"""The same of several claims."""
MARKS: dict[str, str] = {"holds": "✓", "does not hold": "✗", "undecided": "?", "not measurable here": "–"}
"""Beside the words, never alone."""


@dataclass(frozen=True)
class Line:
    """A line of the ledger, as claims.json has it; no number, interval or verdict where `reason` says why."""

    id: str
    section: str
    artefact: str
    claim: str
    statistic: str
    published: float | None
    value: float | None
    low: float | None
    high: float | None
    over: str | None
    part: str | None
    unit: str
    rule: str
    verdict: Verdict
    reason: str | None


def read(path: Path) -> list[Line]:
    """The ledger that the stage wrote as JSON."""
    return [Line(**entry) for entry in json.loads(present(path, "claims").read_text(encoding="utf-8"))]


def text(lines: Sequence[Line]) -> str:
    """The ledger as JSON."""
    return json.dumps(records(lines), indent=2, ensure_ascii=False) + "\n"


def records(lines: Sequence[Line]) -> list[dict[str, object]]:
    """The lines as plain values, rounded to six digits."""
    return [{name: rounded(value) for name, value in asdict(line).items()} for line in lines]


def rounded(value: object) -> object:
    """A number to six digits: more would be noise; -0 becomes 0."""
    return float(f"{value:.6g}") + 0.0 if isinstance(value, float) else value


def metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """Counts of verdicts, then each claim's value and verdict as a number; what can't be measured is left out."""
    counts = {verdict.replace(" ", "_"): count for verdict, count in tally(lines).items()}
    measured = [(line, SCORES[line.verdict]) for line in lines if line.verdict in SCORES]
    return counts | {line.id: {"verdict": score, "value": record(line)} for line, score in measured}


def record(line: Line) -> object:
    """A line's value, as rounded in the ledger."""
    return records([line])[0]["value"]


def tally(lines: Sequence[Line]) -> dict[Verdict, int]:
    """How many claims have each verdict."""
    return {verdict: sum(line.verdict == verdict for line in lines) for verdict in VERDICTS}


def summary(lines: Sequence[Line]) -> str:
    """`Of 36 claims, 20 hold, 4 do not hold, ...`."""
    counts = (f"{count} {words}" for count, words in zip(tally(lines).values(), COUNTED, strict=True))
    return f"Of {len(lines)} claims, {', '.join(counts)}"


def sections(lines: Sequence[Line]) -> list[tuple[str, list[Line]]]:
    """The lines by section, both in the ledger's order."""
    names = dict.fromkeys(line.section for line in lines)
    return [(name, [line for line in lines if line.section == name]) for name in names]


def measured(line: Line) -> str:
    """Value, unit and interval as people read them; empty where there is none."""
    if line.value is None:
        return ""
    interval = "" if line.low is None or line.high is None else f" ({shown(line.low)} to {shown(line.high)})"
    return f"{with_unit(line.value, line.unit)}{interval}"


def with_unit(value: float, unit: str) -> str:
    """`2.1 points`, `12 % of the error`."""
    return f"{shown(value)} {unit}".rstrip()


def shown(value: float) -> str:
    """Three digits at most and a true minus."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def detail(line: Line) -> str:
    """Of which part the number is, and over how many images, maps, seeds or folds."""
    where = f"{line.part}, the least favourable; " if line.part else ""
    return where + (line.over or "")


def markdown(lines: Sequence[Line]) -> str:
    """The ledger for GitHub and the like."""
    found = ["# What the paper claims in words", "", f"{summary(lines)}.", "", HEAD, ""]
    for section, claims in sections(lines):
        found += [f"## Section {section}", "", "| verdict | claim | measured (95 % interval) | published |"]
        found += ["|---|---|---|---|", *(row(line) for line in claims), ""]
        found += [f"- **{line.claim}** {capital(line.statistic)}. It {line.rule}." for line in claims]
        found.append("")
    return "\n".join(found)


def row(line: Line) -> str:
    """A claim's row."""
    numbers = f"{measured(line)}; {detail(line)}" if line.value is not None else ""
    if line.reason:
        numbers = f"{numbers}. {capital(line.reason)}" if numbers else capital(line.reason)
    published = "–" if line.published is None else with_unit(line.published, line.unit)
    return f"| {MARKS[line.verdict]} {line.verdict} | {line.claim} | {numbers} | {published} |"


def capital(words: str) -> str:
    """With a capital letter."""
    return words[:1].upper() + words[1:]


HEAD = (
    "A claim holds when the whole 95 % interval lies on the claimed side of a threshold fixed before anything was "
    "measured; it does not hold when the whole interval lies on the other side; else it is undecided, as it is "
    "without an interval. A claim about several layers, parts or rows must hold for each; what decides is shown."
)


def view(lines: Sequence[Line]) -> dict[str, Any]:
    """The ledger ready for the page."""
    marks = {verdict: (MARKS[verdict], verdict.replace(" ", "-")) for verdict in VERDICTS}
    groups = [
        (
            section,
            [
                {
                    "line": line,
                    "mark": marks[line.verdict],
                    "measured": measured(line),
                    "detail": detail(line),
                    "published": None if line.published is None else with_unit(line.published, line.unit),
                    "statistic": capital(line.statistic),
                    "reason": line.reason and capital(line.reason),
                }
                for line in claims
            ],
        )
        for section, claims in sections(lines)
    ]
    counts = [(*marks[one], words, count) for (one, count), words in zip(tally(lines).items(), COUNTED, strict=True)]
    return {"summary": summary(lines), "rule": HEAD, "counts": counts, "groups": groups}
