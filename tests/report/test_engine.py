"""Test the numbers, rules and folders with which all artefacts of the report are made."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe import store, unavailable
from zfpipe.errors import UserError
from zfpipe.report.engine import artefact
from zfpipe.report.engine.artefact import Folder
from zfpipe.report.engine.claims import Rule, Unmeasurable, above, below, judge, ours, within
from zfpipe.report.engine.measure import Measure, amount, number, percent


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        (2.104, {}, "2.10"),
        (-0.05, {}, "−0.050"),
        (31.26, {}, "31.3"),
        (1234.5, {}, "1,234"),
        (-0.04, {"decimals": 1}, "0.0"),
        (0.26, {"decimals": 1, "sign": True}, "+0.3"),
        (-16.44, {"decimals": 1, "sign": True}, "−16.4"),
        (None, {}, "–"),
        (math.nan, {"decimals": 1}, "–"),
        (math.inf, {}, "never"),
    ],
)
def test_a_number_is_printed_one_way(value: float | None, options: dict[str, Any], words: str) -> None:
    assert number(value, **options) == words


def test_shares_and_thresholds() -> None:
    assert percent(0.1234) == "12%" and percent(0.1234, 1) == "12.3%" and percent(None) == "–"
    assert amount(2.0) == "2" and amount(-0.25) == "−0.25"


def test_a_measure_says_its_number_interval_and_what_it_is_over() -> None:
    one = Measure(2.1, 1.0, 3.2, 1000, "images")
    assert one.text(unit="points") == "2.10 points (1.00 to 3.20)" and one.text(1) == "2.1 (1.0 to 3.2)"
    assert one.count == "1,000 images" and one.plus_minus(1) == "2.1 ± 1.1"
    alone = Measure.mean(np.array([4.0]), "seeds")
    assert alone.low is None and alone.count == "one seed: no interval" and alone.interval() == "–"
    assert alone.text(1) == "4.0" and alone.plus_minus(1) == "4.0"
    assert Measure(2.0, 2.0, 2.0, 1, "images").count == "one image", "a count must not deny an interval that is shown"


def test_the_mean_of_a_few_has_students_interval() -> None:
    found = Measure.mean(np.array([1.0, 2.0, 3.0]), "folds", "15 images", 4.0)
    half = 4.302653 / math.sqrt(3)  # Student's t at 0.975 with 2 degrees of freedom, times the standard error
    assert found.value == 2 and found.low == pytest.approx(2 - half, rel=1e-6)
    assert found.high == pytest.approx(2 + half, rel=1e-6)
    assert found.deviation == pytest.approx(1.0) and found.n == 3 and found.published == 4.0
    assert found.plus_minus(1) == "2.0 ± 1.0", "± must be the standard deviation if known"


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        (above(), 0.1, 0.5, "holds"),
        (above(), -0.1, 0.5, "undecided"),
        (above(), -0.5, -0.1, "does not hold"),
        (below(2.0), 1.0, 1.9, "holds"),
        (below(2.0), 1.0, 2.1, "undecided"),
        (below(2.0), 2.1, 3.0, "does not hold"),
        (within(1.0), -0.9, 0.9, "holds"),
        (within(1.0), -1.1, 0.9, "undecided"),
        (within(1.0), -3.0, 3.0, "undecided"),
        (within(1.0), 1.1, 2.0, "does not hold"),
        (within(1.0), -2.0, -1.1, "does not hold"),
        (above(2.0), 2.5, math.inf, "holds"),
        (below(2.0), -math.inf, 1.9, "holds"),
        (above(), math.nan, math.nan, "undecided"),
    ],
)
def test_the_whole_interval_decides(rule: Rule, low: float, high: float, verdict: str) -> None:
    assert rule.verdict(Measure((low + high) / 2, low, high)) == verdict
    assert rule.verdict(Measure((low + high) / 2)) == "undecided", "a number without an interval must decide nothing"


def test_rules_in_words() -> None:
    assert above().words("points") == "holds above 0, not below"
    assert above(0.5).words("points") == "holds above 0.5 points, not below"
    assert below(12.345).words("%") == "holds below 12.3 %, not above"
    assert within(3.0).words("points") == "holds within ±3 points, not outside"


def test_the_worst_of_several_numbers_decides() -> None:
    good, better, bad, open_ = (
        Measure(2, 1, 3, part="good"), Measure(4, 3, 5, part="better"), Measure(-2, -3, -1, part="bad"),
        Measure(0.5, -1, 2, part="open"),
    )  # fmt: skip
    assert judge(above(), [better, good]) == ("holds", good)
    assert judge(above(), [better, open_, good]) == ("undecided", open_)
    assert judge(above(), [open_, bad, good]) == ("does not hold", bad)


def test_a_folder_reads_files_when_asked(tmp_path: Path) -> None:
    store.save_all(tmp_path, {"a.json": {"one": 1}, "sub/b.npy": np.arange(3)})
    folder = Folder(tmp_path, "filters")
    assert folder.absent is None and folder, "a folder with results must be true before any is read"
    assert folder["a.json"] == {"one": 1} and folder["sub/b.npy"].tolist() == [0, 1, 2]
    with pytest.raises(UserError, match=r"c.csv not found; make it: dvc repro filters$"):
        folder["c.csv"]
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(UserError, match=r"d.json can't be read: .*; make it again: dvc repro filters$"):
        folder["d.json"]


def test_a_folder_is_opened_only_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Path]()
    monkeypatch.setattr(unavailable, "reason", asked.append)
    folder = Folder(tmp_path, "principle")
    assert not asked, "a stage may open only what it declares"
    assert folder.absent is None and asked == [tmp_path]


def test_claims_are_unmeasurable_if_the_stage_could_not_measure(tmp_path: Path) -> None:
    store.save(tmp_path / unavailable.NAME, "no faces\n")
    folder = Folder(tmp_path, "correspondence")
    assert folder.absent == "no faces" and not folder
    with pytest.raises(Unmeasurable, match="no faces"):
        ours(folder, "pairs.parquet")


def test_every_artefact_is_found_in_order() -> None:
    modules = artefact.modules()
    figures = [f"Figure {number}" for number in range(1, 10)]
    names = [module.ARTEFACT.name for module in modules if module.ARTEFACT.paper]
    assert names == [*figures, *(f"Table {number}" for number in range(1, 8)), "Section 4"]
    every = [module.ARTEFACT.name for module in modules]
    assert every[every.index("Figure 7") + 1] == "Figure 7b", "an artefact of ours must follow the paper's"
    ids = [claim.id for module in modules for claim in getattr(module, "CLAIMS", ())]
    assert len(ids) == len(set(ids)) >= 36


def test_numbers_of_figures_are_found_by_the_names_of_their_files() -> None:
    assert {"1", "2", "7", "7b", "9"} <= set(artefact.numbers("fig"))
    assert artefact.numbers("table") == [str(number) for number in range(1, 8)]


def test_artefacts_name_existing_stages() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    for module in artefact.modules():
        for name in ", ".join(module.ARTEFACT.made_by).split(", "):
            stage, _, item = name.partition("@")
            assert stage in stages, f"{module.ARTEFACT.name} names an unknown stage {name}"
            items = stages[stage].get("foreach", ())
            assert not item or isinstance(items, str) or item in items, f"{stage} has no {item}"
