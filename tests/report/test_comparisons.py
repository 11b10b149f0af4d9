"""Differences between rows of the tables against the same by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.report import conftest
from zfpipe.params import Run
from zfpipe.report.tables import comparisons

SEEDS = {"zfnet": 0.20, "zfnet-seed1": 0.22, "zfnet-seed2": 0.24}
RUNS = {name: Run(base="model", seed=seed) for seed, name in enumerate(SEEDS)} | {
    "alexnet": Run(base="alexnet", seed=0),
    "alexnet-no34": Run(base="alexnet", seed=0, edit={"drop": [3, 4]}),
    "zfnet-wide-fc8192": Run(base="model", seed=0, edit={"dense": 8192}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    errors = {name: (0.1, error, 0.05) for name, error in SEEDS.items()}
    errors |= {"alexnet": (0.3, 0.3, 0.1), "alexnet-no34": (0.3, 0.25, 0.1), "zfnet-wide-fc8192": (0.02, 0.21, 0.1)}
    conftest.write_metrics(tmp_path / "metrics", errors)
    conftest.write_ensembles(tmp_path / "metrics", {"zfnet-five": (0.19, 0.02)})  # has no part in it
    conftest.write_transfer(tmp_path / "transfer")
    return tmp_path


def rows(folder: Path, runs: dict[str, Run] = RUNS) -> dict[str, dict[str, float]]:
    table = comparisons.build(folder / "metrics", folder / "transfer", runs)
    return {str(row["what"]): row for row in table.to_dict("records")}  # type: ignore[misc]


def test_networks_scatter_as_the_seeds_of_one_do(folder: Path) -> None:
    found = rows(folder)
    row = found["AlexNet's error − that of Fig. 3's network"]
    assert row["published"] == pytest.approx(2.1) and row["value"] == pytest.approx(30 - 22)
    half = stats.t.ppf(0.975, 2) * 2 * (1 + 1 / 3) ** 0.5  # the deviation of 20, 22 and 24 is 2
    assert (row["low"], row["high"]) == pytest.approx((8 - half, 8 + half)) and row["over"] == "3 seeds"
    row = found["AlexNet without layers 3 and 4 − with them"]
    half = stats.t.ppf(0.975, 2) * 2 * 2**0.5
    assert (row["value"], row["high"]) == pytest.approx((-5, -5 + half)) and row["published"] == pytest.approx(4.9)


def test_the_gap_is_validation_minus_training(folder: Path) -> None:
    row = rows(folder)["Fig. 3, everything wider − as it is: validation − training error"]
    assert row["value"] == pytest.approx(19 - 12) and row["published"] == pytest.approx(28.3 - 5.3)


def test_without_seeds_there_is_no_interval(folder: Path) -> None:
    found = rows(folder, {name: run for name, run in RUNS.items() if "seed" not in name})
    row = found["AlexNet's error − that of Fig. 3's network"]
    assert row["value"] == pytest.approx(10) and np.isnan(row["low"]) and np.isnan(row["high"])
    assert row["over"] == "1 seed"


def test_what_was_left_out_has_no_value(folder: Path) -> None:
    found = rows(folder)
    assert len(found) == len(comparisons.PAIRS) + 2 + 4 + 2 * 5
    row = found["AlexNet without layer 7 − with it"]
    assert np.isnan(row["value"]) and row["published"] == pytest.approx(-0.5)
    (folder / "transfer/caltech101/scratch.csv").write_text("per_class,fold,accuracy,test_images\n")
    assert np.isnan(rows(folder)["Caltech-101, 15 images: accuracy pretrained − from scratch"]["value"])


def test_folds_are_compared_with_themselves(folder: Path) -> None:
    row = rows(folder)["Caltech-101, 15 images: accuracy pretrained − from scratch"]
    differences = 100 * (np.array([0.49, 0.50]) + 0.015 - np.array([0.2, 0.3]))
    half = stats.t.ppf(0.975, 1) * differences.std(ddof=1) / 2**0.5
    assert (row["value"], row["low"]) == pytest.approx((differences.mean(), differences.mean() - half))
    assert row["published"] == pytest.approx(61.0) and row["over"] == "2 folds"
    row = rows(folder)["Caltech-256: SVM on layer 7 − layer 5"]
    assert row["published"] == pytest.approx(6.1)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((6, 6, 6)), "the same on every fold"


def test_the_pages_table_is_the_file(folder: Path) -> None:
    table = comparisons.build(folder / "metrics", folder / "transfer", RUNS)
    path = folder / "section5.csv"
    table.to_csv(path, index=False)
    shown = comparisons.table(path)
    assert len(shown["rows"]) == len(table) and {len(row) for row in shown["rows"]} == {len(shown["columns"])}
    by_what = {row[0]: row[1:] for row in shown["rows"]}
    assert by_what["AlexNet without layer 7 − with it"] == ("Table 3", "−0.5", "not available", "–", "–")
    assert by_what["Fig. 3, layers 6 and 7 of half size − full"][1] == "+1.8"
    assert pd.read_csv(path).columns.tolist() == list(comparisons.COLUMNS)
