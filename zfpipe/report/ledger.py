"""Measure and judge every claim of the paper, and list every measure in one table: the ledger."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isinf
from types import ModuleType
from typing import Any

import pandas as pd

from zfpipe.report.engine.claims import WORST, Claim, Given, Unmeasurable, Verdict, judge
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.tables import TEMPLATES

VERDICTS: dict[Verdict, tuple[str, str]] = {
    "holds": ("✓", "hold"),
    "does not hold": ("✗", "do not hold"),
    "undecided": ("?", "undecided"),
    "not measurable here": ("–", "not measurable here"),
}
"""Each verdict's mark, always shown together with words, and the words for several claims."""

Entry = dict[str, Any]
"""A claim as in claims.json; if it has no number, `reason` says why."""
NUMBER = tuple(field.name for field in dataclasses.fields(Measure))


def build(modules: Iterable[ModuleType], given: Given) -> tuple[list[Entry], pd.DataFrame]:
    """Return the ledger in the order of the paper's sections, and a row for each measure behind the ledger.

    The rows without a claim are the differences between rows of a table.
    """
    entries, rows = [], []
    for module in modules:
        artefact, data = module.ARTEFACT, module.ARTEFACT.data()
        for claim in getattr(module, "CLAIMS", ()):
            head = {"section": claim.section or artefact.section, "artefact": artefact.anchor}
            entry, measures = judged(claim, data, given)
            entries.append(head | entry)
            rows += [(artefact.name, claim.id, claim.unit, *dataclasses.astuple(one)) for one in measures]
        if hasattr(module, "differences"):
            found = module.differences(data, given)
            rows += [(artefact.name, "", "points", *dataclasses.astuple(one)) for one in found]
    table = pd.DataFrame(rows, columns=("artefact", "claim", "unit", *NUMBER)).astype({"n": "Int64"})
    return sorted(entries, key=lambda entry: entry["section"]), table


def judged(claim: Claim, data: Any, given: Given) -> tuple[Entry, Sequence[Measure]]:
    """Return a claim with its number and verdict, and all its measures."""
    rule = claim.rule.words(claim.unit) + (f" ({claim.why})" if claim.why else "")
    entry: Entry = {"id": claim.id, "claim": claim.claim, "statistic": claim.statistic, "unit": claim.unit}
    entry |= {
        "null": claim.null,
        "one_sided": isinf(claim.rule.low) or isinf(claim.rule.high),
        "rule": rule,
        **dict.fromkeys(NUMBER),
        "published": rounded(claim.published),
    }
    try:
        for premise in claim.premises:
            verdict, found = judge(premise.rule, premise.measure(data, given))
            if verdict != "holds":
                raise Unmeasurable(f"{premise.words}: {found.text()}")
        measures = claim.measure(data, given)
    except Unmeasurable as error:
        return entry | {"verdict": "not measurable here", "reason": str(error)}, ()
    verdict, found = judge(claim.rule, measures)
    reason = "the interval includes the rule's limit" if found.low is not None else found.count
    numbers = {name: rounded(value) for name, value in dataclasses.asdict(found).items()}
    if found.published is None:
        numbers["published"] = entry["published"]
    numbers["part"] = found.part if len(measures) > 1 else ""
    return entry | numbers | {"verdict": verdict, "reason": reason if verdict == "undecided" else None}, measures


def rounded(value: Any) -> Any:
    """Return a number with six digits, since more would be noise; -0 becomes 0."""
    return float(f"{value:.6g}") + 0.0 if isinstance(value, float) else value


def measure(entry: Entry) -> Measure | None:
    """Return a claim's number, or None if there is none."""
    return None if entry["value"] is None else Measure(**{name: entry[name] for name in NUMBER})


def tally(entries: Sequence[Entry]) -> dict[Verdict, int]:
    """Return how many claims have each verdict."""
    counts = Counter(entry["verdict"] for entry in entries)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def summary(entries: Sequence[Entry]) -> str:
    """Return `Of 36 claims, 20 hold, 4 do not hold, ...`."""
    counts = (f"{count} {VERDICTS[verdict][1]}" for verdict, count in tally(entries).items())
    return f"Of {len(entries)} claims, {', '.join(counts)}"


def by_chance(entries: Sequence[Entry]) -> float:
    """Return how many of the judged claims would at most hold by chance, if every number came from its null.

    In 2.5 % of all runs a 95 % interval lies above the true number. Claims that a change is slight are left out,
    since their null is no change.
    """
    return 0.025 * sum(entry["verdict"] in WORST and entry["one_sided"] for entry in entries)


def metrics(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return counts of verdicts, then each claim's verdict as a number (1 holds, -1 does not) and its value.

    `dvc metrics diff` compares these. Claims that can't be measured are left out.
    """
    counts = {verdict.replace(" ", "_"): count for verdict, count in tally(entries).items()}
    judged = [entry for entry in entries if entry["verdict"] in WORST]
    return counts | {one["id"]: {"verdict": WORST.index(one["verdict"]) - 1, "value": one["value"]} for one in judged}


def markdown(entries: Sequence[Entry]) -> str:
    """Return the ledger as Markdown."""
    claims = [(entry, measure(entry)) for entry in entries]
    return TEMPLATES.get_template("claims.md.jinja").render(
        summary=summary(entries), by_chance=by_chance(entries), claims=claims, verdicts=VERDICTS
    )
