"""The claims ledger: every claim in worlds in which it holds, fails, stays open or can't be measured; plain twins."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.imports import ROOT
from tests.report import conftest, worlds
from tests.report.test_page import Page
from zfpipe import params
from zfpipe.probes import intervals
from zfpipe.report.claims import (
    correspondence,
    features,
    filters,
    given,
    invariance,
    ledger,
    networks,
    transfer,
    verdicts,
    written,
)
from zfpipe.report.claims.verdicts import Above, Below, Measure, Within
from zfpipe.report.claims.written import Line

SETTINGS = params.load(ROOT / "params.yaml")
EFFECTS = {1: "holds", -1: "does not hold", 0: "undecided"}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, dict[str, Line]]:
    """The ledger of each world by claim; None: of the world where nothing can be had."""
    found: dict[int | None, dict[str, Line]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "RESAMPLES", 200)
        for effect in (1, -1, 0, None):
            patch.chdir(tmp_path_factory.mktemp("world"))
            if effect is None:
                worlds.write_nothing()
                empty = given.Given({}, {}, SETTINGS.targets, False)
            else:
                worlds.write(effect, SETTINGS)
                empty = worlds.given(SETTINGS)
            found[effect] = {line.id: line for line in ledger.build(empty)}
    return found


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("claim", [claim.id for claim in ledger.LEDGER])
def test_a_claim_turns_with_what_is_measured(lines: dict[int, dict[str, Line]], claim: str, effect: int) -> None:
    line = lines[effect][claim]
    assert line.verdict == EFFECTS[effect], line
    assert line.value is not None and line.low is not None and line.high is not None
    assert line.low <= line.value <= line.high and line.over
    assert bool(line.reason) == (effect == 0)


@pytest.mark.parametrize("claim", [claim.id for claim in ledger.LEDGER])
def test_a_claim_that_cannot_be_measured_says_why(lines: dict[int | None, dict[str, Line]], claim: str) -> None:
    line = lines[None][claim]
    assert line.verdict == "not measurable here" and line.value is line.low is line.high is None
    assert line.reason and not line.reason.endswith(".")


def test_the_ledger_is_complete() -> None:
    assert Counter(claim.section for claim in ledger.LEDGER) == {
        "3": 2, "4": 9, "4.1": 5, "4.2": 2, "4.3": 2, "5.1": 10, "5.2": 5, "5.3": 1,
    }  # fmt: skip
    assert len({claim.id for claim in ledger.LEDGER}) == len(ledger.LEDGER)
    order = [claim.section for claim in ledger.LEDGER]
    assert order == sorted(order), "in the paper's order"


def test_the_paper_passes_by_its_own_numbers(lines: dict[int, dict[str, Line]]) -> None:
    """A rule that the printed numbers themselves would fail is no fair test."""
    printed = [(claim, lines[1][claim.id].published) for claim in ledger.LEDGER]
    with_number = [(claim, number) for claim, number in printed if number is not None]
    assert len(with_number) > 14
    for claim, number in with_number:
        assert claim.rule.verdict(number, number) == "holds", (claim.id, number)
    for changed in ("alexnet-no67", "alexnet-no34"):
        assert networks.grown(changed, "alexnet") < networks.largest_small()
    for base, units in networks.SIZES:
        assert abs(networks.grown(f"{base}-fc{units}", base)) < networks.largest_little()
    assert networks.largest_small() < networks.smallest_dramatic()


@pytest.mark.parametrize(
    ("rule", "low", "high", "expected"),
    [
        (Above(1), 1.1, 2, "holds"),
        (Above(1), 0.9, 2, "undecided"),
        (Above(1), 0.1, 0.9, "does not hold"),
        (Above(0), 0, 0, "undecided"),
        (Below(1), 0.1, 0.9, "holds"),
        (Below(1), 0.9, 1.1, "undecided"),
        (Below(1), 1.1, 2, "does not hold"),
        (Within(1), -0.9, 0.9, "holds"),
        (Within(1), -1.1, 0.9, "undecided"),
        (Within(1), -2, 2, "undecided"),
        (Within(1), 1.1, 2, "does not hold"),
        (Within(1), -2, -1.1, "does not hold"),
    ],
)
def test_a_verdict_needs_the_whole_interval(rule: verdicts.Rule, low: float, high: float, expected: str) -> None:
    assert rule.verdict(low, high) == expected


def test_of_several_the_worst_decides() -> None:
    good, open_, bad = Measure(2, 1, 3, "", "a"), Measure(0.5, -1, 2, "", "b"), Measure(-2, -3, -1, "", "c")
    alone = Measure(5, None, None, "one seed: no interval", "d")
    assert verdicts.judge(Above(), [good, bad, open_]) == ("does not hold", bad)
    assert verdicts.judge(Above(), [good, open_]) == ("undecided", open_)
    assert verdicts.judge(Above(), [Measure(3, 2, 4, ""), good]) == ("holds", good)
    assert verdicts.judge(Above(), [alone]) == ("undecided", alone)


def test_one_seed_gives_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worlds.write_networks(1, SETTINGS)
    runs = {name: run for name, run in SETTINGS.runs.items() if "seed" not in name}
    one = given.Given(runs, {}, SETTINGS.targets, False)
    for claim in ("architecture", "dense-removed", "dense-sizes", "depth", "wider-everything"):
        [entry] = [entry for entry in ledger.LEDGER if entry.id == claim]
        line = ledger.judged(entry, one)
        assert line.verdict == "undecided" and line.reason == "one seed: no interval" and line.value is not None


def test_what_is_about_another_network_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worlds.write_networks(1, SETTINGS)
    elsewhere = worlds.given(SETTINGS, elsewhere=True)
    by_id = {claim.id: claim for claim in ledger.LEDGER}
    assert "model.source" in (ledger.judged(by_id["architecture"], elsewhere).reason or "")
    assert ledger.judged(by_id["both-removed"], elsewhere).verdict == "holds", "AlexNet is trained here all the same"
    fewer = {name: run for name, run in SETTINGS.runs.items() if name != "alexnet-fc2048"}
    line = ledger.judged(by_id["dense-sizes"], given.Given(fewer, {}, SETTINGS.targets, False))
    assert line.reason == "params.yaml has no run alexnet-fc2048"


def test_drawn_sets_are_not_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worlds.write_transfer(1)
    drawn = given.Given(SETTINGS.runs, {}, SETTINGS.targets, False)
    for claim in ("six-images", "pascal"):
        [entry] = [entry for entry in ledger.LEDGER if entry.id == claim]
        assert "drawn by zfpipe" in (ledger.judged(entry, drawn).reason or "")


def test_pairs_are_drawn_again_by_their_units() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(0, 1, (6, 6))
    matrix = half + half.T
    value, low, high = intervals.bootstrap_pairs(matrix)
    pairs = [matrix[one, other] for one in range(6) for other in range(6) if one != other]
    assert value == pytest.approx(np.mean(pairs))
    means = []
    for draw in np.random.default_rng(0).integers(0, 6, (intervals.RESAMPLES, 6)):
        kept = [matrix[one, other] for one in draw for other in draw if one != other]
        if kept:
            means.append(np.mean(kept))
    assert (low, high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975), method="nearest")))


def test_resampling_one_group_is_the_bootstrap_of_its_mean() -> None:
    values = np.random.default_rng(1).normal(3, 2, 50)
    ours = intervals.resampled(lambda one: one.mean(), values)
    assert ours[0] == values.mean()
    assert ours == pytest.approx(intervals.bootstrap(values), abs=0.1)
    assert ours[2] - ours[1] == pytest.approx(2 * 1.96 * 2 / 50**0.5, rel=0.25)


def test_contrasts_and_growth_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worlds.write_networks(1, SETTINGS)
    all_of_it = worlds.given(SETTINGS)
    deviation = 100 * np.std([-0.001, -0.0005, 0, 0.0005, 0.001], ddof=1)
    [found] = networks.depth(all_of_it)
    assert found.value == pytest.approx(80 - 41 - 41 + 40)
    assert found.high == pytest.approx(found.value + 2.776445 * deviation * 2)
    assert found.published == pytest.approx(71.3 - 45.4 - 44.8 + 40.5)
    [found] = networks.both_removed(all_of_it)
    assert found.value == pytest.approx(100) and found.published == pytest.approx(100 * (71.3 / 40.5 - 1))
    rng = np.random.default_rng(0)
    ratios = 100 * (rng.normal(80, deviation, 200_000) / rng.normal(40, deviation, 200_000) - 1)
    assert found.high is not None and found.low is not None
    assert found.high - found.value == pytest.approx(2.776445 * ratios.std(), rel=0.02)
    [found] = networks.wider_everything(all_of_it)
    assert found.value == pytest.approx(10) and found.published == pytest.approx(28.3 - 5.3)


def test_slopes_and_orders_are_the_textbooks() -> None:
    rng = np.random.default_rng(2)
    layers, groups = np.array([1.0, 2, 3, 4, 5]), tuple(rng.normal(0, 1, count) for count in (4, 7, 2, 9, 5))
    line = np.polyfit(layers, [group.mean() for group in groups], 1)
    assert features.slope(layers, groups) == pytest.approx(line[0])
    folds = rng.normal(0, 1, (6, 3))
    assert transfer.order(folds) == pytest.approx([stats.spearmanr(np.arange(6), fold)[0] for fold in folds.T])
    assert transfer.order(np.ones((6, 2))).tolist() == [0, 0]


def test_a_line_through_no_change() -> None:
    far = np.array([0.0, 1, 2, 3])
    assert invariance.explained(far, 5 * far) == pytest.approx(1)
    bent = np.array([0.0, 3, 3, 3])
    best = min(((bent - slope * far) ** 2).sum() for slope in np.linspace(0, 3, 3001))
    assert invariance.explained(far, bent) == pytest.approx(1 - best / ((bent - bent.mean()) ** 2).sum(), abs=1e-5)
    assert np.isnan(invariance.explained(far, np.zeros(4)))


def test_invariance_by_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worlds.write_invariance(0)
    rows = pd.read_parquet("invariance/invariance.parquet").sample(frac=1, random_state=0)
    rows.to_parquet("invariance/invariance.parquet")
    records = rows.to_dict("records")
    everything = worlds.given(SETTINGS)

    def mean(column: str, **wanted: object) -> float:
        return float(np.mean([row[column] for row in records if all(row[key] == one for key, one in wanted.items())]))

    amounts = {
        "moved": ("translation", (-2.0, 2.0)),
        "enlarged": ("scale", (1.2,)),
        "turned": ("rotation", (20.0, 340.0)),
    }
    for found in invariance.small(everything):
        kind, smallest = amounts[found.part]
        at = [[mean("relative", transform=kind, amount=one, layer=layer) for one in smallest] for layer in (1, 7)]
        assert found.value == pytest.approx(np.mean(at[0]) - np.mean(at[1]))
    moved, _ = invariance.stable(everything)
    kept = [mean("p_true", transform="translation", amount=one) for one in (-4.0, -2.0, 2.0, 4.0)]
    assert moved.value == pytest.approx(np.mean(kept) / mean("p_true", transform="translation", amount=0.0))


def test_gaps_between_faces_by_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worlds.write_correspondence(0)
    records = pd.read_parquet("correspondence/pairs.parquet").to_dict("records")

    def mean(part: str, layer: int) -> float:
        return float(np.mean([row["distance"] for row in records if (row["part"], row["layer"]) == (part, layer)]))

    for found in correspondence.parts(worlds.given(SETTINGS)):
        assert found.value == pytest.approx(mean("random", 5) - mean(found.part, 5))
    [found] = correspondence.less_above(worlds.given(SETTINGS))
    parts = ("right eye", "left eye", "nose")
    gaps = [np.mean([mean("random", layer) - mean(part, layer) for part in parts]) for layer in (5, 7)]
    assert found.value == pytest.approx(gaps[0] - gaps[1])
    assert found.published == pytest.approx((0.107 - 0.073) - (0.067 + 0.069 + 0.079 - 0.069 - 0.068 - 0.069) / 3)


def test_differences_of_independent_numbers() -> None:
    rng = np.random.default_rng(5)
    one, other = rng.normal(3, 2, 100_000), rng.normal(1, 1, 100_000)
    ends = [(float(group.mean()), *np.quantile(group, (0.025, 0.975)).tolist()) for group in (one, other)]
    found = filters.independent(ends[0], ends[1], "")
    expected = np.quantile(one - other, (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.1)


def test_the_files_and_the_page_show_every_claim(made: Path) -> None:
    entries = json.loads((made / "reports/claims.json").read_text())
    assert [entry["id"] for entry in entries] == [claim.id for claim in ledger.LEDGER]
    assert set(entries[0]) >= {"section", "claim", "statistic", "published", "value", "low", "high", "over", "unit",
                               "rule", "verdict", "reason"}  # fmt: skip
    page = Page((made / "reports/index.html").read_text())
    markdown = (made / "reports/claims.md").read_text()
    ids = [entry.get("id") for entry in page.all("li")]
    for entry in entries:
        assert f"claim-{entry['id']}" in ids
        for words in (entry["claim"], entry["rule"], entry["verdict"]):
            assert words in page.words and words in markdown
    counts = Counter(entry["verdict"] for entry in entries)
    metrics = json.loads((made / "metrics.json").read_text())
    for verdict, words in zip(written.VERDICTS, written.COUNTED, strict=True):
        assert f"{counts[verdict]} {words}" in page.words and f"{counts[verdict]} {words}" in markdown
        assert metrics[verdict.replace(" ", "_")] == counts[verdict]
    for entry in entries:
        score = {"holds": 1, "undecided": 0, "does not hold": -1}.get(entry["verdict"])
        assert metrics.get(entry["id"]) == (None if score is None else {"verdict": score, "value": entry["value"]})


def test_the_claims_are_the_same_each_time(project: Path) -> None:
    before = {
        name: (project / name).read_bytes() for name in ("reports/claims.json", "reports/claims.md", "metrics.json")
    }
    conftest.run_stage("claims")
    assert before == {name: (project / name).read_bytes() for name in before}


def test_numbers_as_people_read_them() -> None:
    assert [written.shown(value) for value in (123.4, 12.34, 1.234, 0.01234, -0.0001, -2.5)] == [
        "123", "12.3", "1.23", "0.012", "0.000", "−2.50"
    ]  # fmt: skip
