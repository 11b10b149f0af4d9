"""Tables of classification errors: each published row beside the run of ours that measures the same thing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.probes.intervals import student
from zfpipe.report.numbers.measured import Metrics, read_ensembles, read_metrics
from zfpipe.report.numbers.published import Row, Table

MEASURED = {"Train Top-1": "train_top1", "Val Top-1": "val_top1", "Val Top-5": "val_top5"}
"""The paper's columns and our metrics of the same thing."""
RAN, NOT_RUN, OTHERS = "measured", "not run", "published by others"
"""What a row can be."""
UNAVAILABLE = "not available"

Cells = dict[str, str]
"""One row as text by column; empty where there is no number."""


@dataclass(frozen=True)
class PaperTable:
    """A table ready to be written: `cells` for every published row, `notes` to stand below."""

    published: Table
    cells: list[Cells]
    notes: list[str]


def key(column: str) -> str:
    """A column's name in files: `val_top1` for `Val Top-1`."""
    return column.lower().replace(" top-", "_top").replace(" ", "_")


def build(table: Table, folder: Path, runs: Mapping[str, Run]) -> PaperTable:
    """Puts our runs and ensembles beside a published table of errors; `folder` holds the metrics of all."""
    metrics = measured(folder, runs)
    return PaperTable(table, [described(row, table.columns, metrics) for row in table.rows], notes(table, metrics))


def measured(folder: Path, runs: Mapping[str, Run]) -> dict[str, list[Metrics]]:
    """What we measured by the names in params.yaml: of a run, those that differ from it in the seed alone, too."""
    metrics = {run: read_metrics(folder, run) for run in runs}
    alike = {
        run: [metrics[name] for name, other in runs.items() if (other.base, other.edit) == (entry.base, entry.edit)]
        for run, entry in runs.items()
    }
    return alike | {name: [entry] for name, entry in read_ensembles(folder / paths.ENSEMBLES.name).items()}


def described(row: Row, columns: tuple[str, ...], metrics: dict[str, list[Metrics]]) -> Cells:
    """One row's cells; errors in %, differences in points, ours minus published."""
    status = OTHERS if row.others else RAN if row.run in metrics else NOT_RUN
    ran = metrics[row.run] if status == RAN and row.run else []
    cells = {"group": row.group} if row.group else {}
    cells |= {"row": row.name, "run": (row.run or "") if ran else "", "seeds": str(len(ran) or ""), "status": status}
    for column, printed in zip(columns, row.values, strict=True):
        assert not isinstance(printed, tuple)
        name = key(column)
        cells[f"published_{name}"] = "" if printed is None else f"{printed:.1f}"
        if column not in MEASURED:
            cells[f"ours_{name}"] = "" if status == OTHERS else UNAVAILABLE
            continue
        ours = text(np.array([100 * entry[MEASURED[column]] for entry in ran]))
        cells[f"ours_{name}"] = ours
        # Of the numbers as shown, so that a reader who subtracts finds the same
        cells[f"difference_{name}"] = f"{float(ours.split()[0]) - printed:+.1f}" if ours and printed is not None else ""
    return cells


def text(values: Float[np.ndarray, "seed"]) -> str:
    """The error of a run in %; of several seeds the mean and half of its interval."""
    if len(values) < 2:
        return "".join(f"{value:.1f}" for value in values)
    mean, half = student(values)
    return f"{mean:.1f} ± {half:.1f}"


def notes(table: Table, metrics: dict[str, list[Metrics]]) -> list[str]:
    """What a reader has to know to compare the columns."""
    found = [
        "Errors in %. Published: on ImageNet 2012. Ours: on the pictures of this run. "
        "Difference: ours minus published, in points."
    ]
    ran = [entry for row in table.rows for entry in metrics.get(row.run or "", [])]
    for images, classes in sorted({(entry["val_images"], entry["classes"]) for entry in ran}):
        point = 100 * 0.5 / images**0.5
        found.append(
            f"Ours: ten crops averaged, {images:,} validation images of {classes:,} classes; "
            f"an error measured on so many images has a standard error of up to {point:.1f} points."
        )
    seeds = {len(metrics[row.run]) for row in table.rows if row.run in metrics} - {1}
    found += [
        f"±: mean of {count} networks that differ in the seed alone, and half of its 95 % interval (Student's t)."
        for count in sorted(seeds)
    ]
    if "Train Top-1" in table.columns:
        found += [
            f"Our training errors: ten crops averaged, on {images:,} of the training images."
            for images in sorted({entry["train_images"] for entry in ran})
        ]
    if any("∗" in row.name for row in table.rows):
        found.append("∗ Trained on ImageNet 2011 and 2012.")
    if any(column not in MEASURED for column in table.columns):
        found.append("Test Top-5 is not available to us: the labels of ImageNet's test set were never released.")
    if any(row.run not in metrics and not row.others for row in table.rows):
        found.append("Not run: params.yaml has no run or ensemble for this row.")
    return found
