"""Test the ledger: claims in order with the number that decides, and every measure as numbers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tests.report.artefacts.made import DRAWN
from zfpipe import store
from zfpipe.report import ledger
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import Claim, Given, Premise, Unmeasurable, above
from zfpipe.report.engine.measure import Measure

FEW = [Measure(2.00000049, 1, 3, 16, "maps", "layer 2"), Measure(-1, -2, -0.5, 24, "maps", "layer 3", 0.25)]


def unknown(data: Data, given: Given) -> list[Measure]:
    raise Unmeasurable("no face looks at us")


def module(name: str, section: str, claims: list[Claim], **more: Any) -> Any:
    found = Artefact(name, section, "T", "C", "P", Path("nothing"), (name, "stage"))
    return SimpleNamespace(ARTEFACT=found, CLAIMS=tuple(claims), **more)


def claim(name: str, measures: list[Measure], unit: str = "points", section: str = "") -> Claim:
    return Claim(
        name, f"It is {name}.", "how much", unit, above(), lambda data, given: measures, "no change", section=section
    )


@pytest.fixture(scope="module")
def built() -> tuple[list[ledger.Entry], pd.DataFrame]:
    gap = Measure(float("nan"), part="one − the other", published=3.0)
    lone = Measure(0.5, n=1, over="seeds")
    return ledger.build(
        [
            module(
                "Table 2", "5.1", [claim("small", FEW), claim("alone", [lone])], differences=lambda data, given: [gap]
            ),
            module("Figure 6", "4.1", [claim("early", FEW[:1], "times", "3")]),
            module(
                "Table 1", "4.3", [Claim("blind", "B.", "s", "", above(), unknown, "n", published=-3.2000000000000003)]
            ),
        ],
        DRAWN,
    )


def test_claims_stand_in_the_order_of_the_papers_sections(built: tuple[list[ledger.Entry], pd.DataFrame]) -> None:
    assert [(one["section"], one["id"]) for one in built[0]] == [
        ("3", "early"), ("4.3", "blind"), ("5.1", "small"), ("5.1", "alone"),
    ]  # fmt: skip
    assert [one["artefact"] for one in built[0]] == ["figure-6", "table-1", "table-2", "table-2"]


def test_the_number_that_decides_is_shown_with_its_part(built: tuple[list[ledger.Entry], pd.DataFrame]) -> None:
    early, blind, small, alone = built[0]
    assert (early["verdict"], early["value"], early["part"]) == ("holds", 2.0, ""), (
        "numbers have six digits, and a lone number has no part"
    )
    assert (small["verdict"], small["value"], small["part"], small["published"]) == (
        "does not hold",
        -1,
        "layer 3",
        0.25,
    )
    assert ledger.measure(small) == FEW[1] and small["reason"] is None
    assert (alone["verdict"], alone["reason"]) == ("undecided", "one seed: no interval")
    assert (blind["verdict"], blind["reason"]) == ("not measurable here", "no face looks at us")
    assert blind["value"] is None and ledger.measure(blind) is None and blind["published"] == -3.2


def test_an_undecided_claim_says_that_its_interval_includes_the_limit() -> None:
    [entry], _ = ledger.build([module("Table 2", "5.1", [claim("open", [Measure(1, -1, 3, 5, "seeds")])])], DRAWN)
    assert (entry["verdict"], entry["reason"]) == ("undecided", "the interval includes the rule's limit")


@pytest.mark.parametrize("known", [Measure(0.5, -0.1, 1.1), Measure(-1, -2, -0.5), Measure(0.0, 0.0, 0.0), Measure(1)])
def test_a_claim_whose_premise_fails_is_not_measurable(known: Measure) -> None:
    def judged(premise: Measure) -> ledger.Entry:
        sure = Premise("the network knows nothing", lambda data, given: [Measure(1, 0.5, 2), premise])
        one = Claim("a", "A.", "s", "", above(), lambda data, given: FEW[:1], "n", [sure])
        [entry], measures = ledger.build([module("Table 2", "5.1", [one])], DRAWN)
        assert len(measures) == (premise.value == 3)
        return entry

    entry = judged(known)
    assert entry["verdict"] == "not measurable here" and entry["value"] is None
    assert entry["reason"] == f"the network knows nothing: {known.text()}"
    assert judged(Measure(3, 2, 4))["verdict"] == "holds"


def test_the_number_that_chance_lets_hold_counts_judged_claims_only(
    built: tuple[list[ledger.Entry], pd.DataFrame],
) -> None:
    assert ledger.by_chance(built[0]) == pytest.approx(0.075), "three of four claims were judged"
    assert "Chance alone would let at most 0.075 of them hold" in ledger.markdown(built[0])


def test_every_measure_is_a_row_of_numbers(built: tuple[list[ledger.Entry], pd.DataFrame], tmp_path: Path) -> None:
    store.save(tmp_path / "measures.csv", built[1])
    rows = store.load(tmp_path / "measures.csv")
    assert rows["claim"].fillna("").tolist() == ["small", "small", "alone", "", "early"]
    assert rows["value"].tolist()[:3] == [2, -1, 0.5] and rows["n"].tolist()[:3] == [16, 24, 1]
    assert pd.api.types.is_float_dtype(rows["low"]) and rows["unit"].tolist()[-1] == "times"
    lost = rows[rows["part"] == "one − the other"].iloc[0]
    assert pd.isna(lost["value"]) and lost["published"] == 3


def test_counts_and_metrics(built: tuple[list[ledger.Entry], pd.DataFrame]) -> None:
    entries = built[0]
    assert ledger.summary(entries) == "Of 4 claims, 1 hold, 1 do not hold, 1 undecided, 1 not measurable here"
    metrics = ledger.metrics(entries)
    assert metrics["does_not_hold"] == 1 and "blind" not in metrics
    assert [metrics[name]["verdict"] for name in ("early", "small", "alone")] == [1, -1, 0]


def test_the_ledger_in_words(built: tuple[list[ledger.Entry], pd.DataFrame]) -> None:
    lines = ledger.markdown(built[0]).splitlines()
    assert "| ✓ holds | It is early. | 2.00 times (1.00 to 3.00); 16 maps | – |" in lines
    small = (
        "| ✗ does not hold | It is small. | −1.00 points (−2.00 to −0.50); layer 3, the least favourable; 24 maps | "
    )
    assert small + "0.25 points |" in lines
    assert "| ? undecided | It is alone. | 0.50 points; one seed: no interval. One seed: no interval | – |" in lines
    assert "| – not measurable here | B. | No face looks at us | −3.20 |" in lines
    assert "- **It is small.** How much. Null: no change. It holds above 0, not below." in lines
    assert [line for line in lines if line.startswith("## ")] == [f"## Section {n}" for n in ("3", "4.3", "5.1")]
