"""Test that the rules of the ledger are those that docs/rules.md dates."""

import hashlib
import json
import re

from tests.imports import ROOT
from zfpipe.report.engine.artefact import modules


def test_no_rule_changes_without_a_date() -> None:
    """A rule whose words or limits change needs a row in docs/rules.md, and the new digest there."""
    rules = [
        [claim.id, claim.statistic, claim.null, claim.rule.words(claim.unit), claim.why]
        + [[premise.words, premise.rule.words("")] for premise in claim.premises]
        for module in modules()
        for claim in getattr(module, "CLAIMS", ())
    ]
    found = hashlib.sha256(json.dumps(rules).encode()).hexdigest()
    assert f"`{found}`" in (ROOT / "docs/rules.md").read_text()


def test_the_page_names_the_last_row() -> None:
    rows = re.findall(r"^\| (\d+ \w+ \d+) \| (\w+) \|", (ROOT / "docs/rules.md").read_text(), re.MULTILINE)
    rule = (ROOT / "zfpipe/report/engine/rule.txt").read_text()
    assert f"on {rows[-1][0]} (commit {rows[-1][1]})" in rule
