"""Tables of classification errors: each published row beside the run of ours that measures the same thing."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from zfpipe.report.measured import Metrics, read_metrics
from zfpipe.report.published import Row, Table

MEASURED = {"Train Top-1": "train_top1", "Val Top-1": "val_top1", "Val Top-5": "val_top5"}
"""The paper's columns and our metrics of the same thing."""
RAN, NOT_RUN, OTHERS = "measured", "not run", "published by others"
"""What a row can be."""
UNAVAILABLE = "not available"

Cells = dict[str, str]
"""One row as text by column; empty where there is no number."""


@dataclass(frozen=True)
class ErrorTable:
    """A table ready to be written: `cells` for every published row, `notes` to stand below."""

    published: Table
    cells: list[Cells]
    notes: list[str]


def key(column: str) -> str:
    """A column's name in files: `val_top1` for `Val Top-1`."""
    return column.lower().replace(" top-", "_top").replace(" ", "_")


def build(table: Table, folder: Path, runs: Collection[str]) -> ErrorTable:
    """Puts our runs beside a published table of errors; `folder` holds the metrics of every run in `runs`."""
    metrics = {run: read_metrics(folder, run) for run in runs}
    rows = [described(row, table.columns, metrics) for row in table.rows]
    return ErrorTable(table, rows, notes(table, metrics))


def described(row: Row, columns: tuple[str, ...], metrics: dict[str, Metrics]) -> Cells:
    """One row's cells; errors in %, differences in points, ours minus published."""
    status = OTHERS if row.others else RAN if row.run in metrics else NOT_RUN
    cells = {"group": row.group} if row.group else {}
    cells |= {"row": row.name, "run": (row.run or "") if status == RAN else "", "status": status}
    for column, printed in zip(columns, row.values, strict=True):
        assert not isinstance(printed, tuple)
        name = key(column)
        cells[f"published_{name}"] = "" if printed is None else f"{printed:.1f}"
        if column not in MEASURED:
            cells[f"ours_{name}"] = "" if status == OTHERS else UNAVAILABLE
            continue
        ours = f"{100 * metrics[row.run][MEASURED[column]]:.1f}" if status == RAN and row.run else ""
        cells[f"ours_{name}"] = ours
        # Of the numbers as shown, so that a reader who subtracts finds the same
        cells[f"difference_{name}"] = f"{float(ours) - printed:+.1f}" if ours and printed is not None else ""
    return cells


def notes(table: Table, metrics: dict[str, Metrics]) -> list[str]:
    """What a reader has to know to compare the columns."""
    found = [
        "Errors in %. Published: on ImageNet 2012. Ours: on the pictures of this run. "
        "Difference: ours minus published, in points."
    ]
    for images, classes in sorted({(entry["val_images"], entry["classes"]) for entry in metrics.values()}):
        point = 100 * 0.5 / images**0.5
        found.append(
            f"Ours: ten crops averaged, {images:,} validation images of {classes:,} classes, one run per row; "
            f"an error measured on so many images has a standard error of up to {point:.1f} points."
        )
    if "Train Top-1" in table.columns:
        found += [
            f"Our training errors: ten crops averaged, on {images:,} of the training images."
            for images in sorted({entry["train_images"] for entry in metrics.values()})
        ]
    if any("∗" in row.name for row in table.rows):
        found.append("∗ Trained on ImageNet 2011 and 2012.")
    if any(column not in MEASURED for column in table.columns):
        found.append("Test Top-5 is not available to us: the labels of ImageNet's test set were never released.")
    found.append(
        "Not run: params.yaml has no run for this row; results of several networks together are not built yet."
    )
    return found
