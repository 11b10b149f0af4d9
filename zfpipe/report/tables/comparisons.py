"""What the paper says of Tables 2 to 5 and 7 in words, as differences between their rows, with intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.probes.intervals import spread, student, student_half
from zfpipe.report.numbers import accuracy, errors
from zfpipe.report.numbers.measured import Metrics, present
from zfpipe.report.numbers.published import TABLE2, TABLE3, TABLE4, TABLE5, TABLE7, Printed, Table
from zfpipe.report.tables import table7

COLUMNS = ("table", "what", "published", "value", "low", "high", "over")


@dataclass(frozen=True)
class Pair:
    """Two rows: how much larger the first one's top-1 error is, in points; `gap`: validation minus training error."""

    table: Table
    what: str
    first: str
    second: str
    gap: bool = False


PAIRS = (
    Pair(TABLE2, "AlexNet's error − that of Fig. 3's network", "alexnet", "zfnet"),
    Pair(TABLE3, "AlexNet without layers 3 and 4 − with them", "alexnet-no34", "alexnet"),
    Pair(TABLE3, "AlexNet without layer 7 − with it", "alexnet-no7", "alexnet"),
    Pair(TABLE3, "AlexNet without layers 6 and 7 − with them", "alexnet-no67", "alexnet"),
    Pair(TABLE3, "AlexNet without layers 3, 4, 6 and 7 − with them", "alexnet-no3467", "alexnet"),
    Pair(TABLE3, "AlexNet, layers 6 and 7 of half size − full", "alexnet-fc2048", "alexnet"),
    Pair(TABLE3, "AlexNet, layers 6 and 7 of double size − single", "alexnet-fc8192", "alexnet"),
    Pair(TABLE3, "Fig. 3, layers 6 and 7 of half size − full", "zfnet-fc2048", "zfnet"),
    Pair(TABLE3, "Fig. 3, layers 6 and 7 of double size − single", "zfnet-fc8192", "zfnet"),
    Pair(TABLE3, "Fig. 3, wider layers 3 to 5 − as they are", "zfnet-wide", "zfnet"),
    Pair(
        TABLE3, "Fig. 3, everything wider − as it is: validation − training error", "zfnet-wide-fc8192", "zfnet", True
    ),
)
SETS = {"caltech101": TABLE4, "caltech256": TABLE5}


def build(metrics: Path, transfer: Path, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Every comparison, a row each; no value where a run is left out, no interval where there is one seed."""
    measured = errors.measured(metrics, runs)
    rows = [compared(pair, measured) for pair in PAIRS]
    for name, table in SETS.items():
        rows += pretraining(table, transfer / name)
    rows += depth(transfer)
    return pd.DataFrame(rows, columns=COLUMNS)


def compared(pair: Pair, measured: dict[str, list[Metrics]]) -> dict[str, Any]:
    """Two rows of Table 2 or 3."""
    row = {"table": pair.table.number, "what": pair.what, "published": published_errors(pair)}
    if pair.first not in measured or pair.second not in measured:
        return row

    def points(entry: Metrics) -> float:
        return 100 * (entry["val_top1"] - (entry["train_top1"] if pair.gap else 0))

    value, half, over = contrast({pair.first: 1, pair.second: -1}, measured, points)
    return row | {"value": value, "low": value - half, "high": value + half, "over": over}


def contrast(
    weights: Mapping[str, float], measured: dict[str, list[Metrics]], points: Callable[[Metrics], float]
) -> tuple[float, float, str]:
    """A weighted sum of runs' numbers, means over their seeds; half of its interval, and over how many seeds that is.

    Every network is taken to scatter as those that have several seeds do. Half is NaN where none has.
    """
    values = {run: np.array([points(entry) for entry in measured[run]]) for run in weights}
    alone, over = scatter(measured, points)
    value = sum(weight * float(values[run].mean()) for run, weight in weights.items())
    return value, alone * sum(weight**2 / len(values[run]) for run, weight in weights.items()) ** 0.5, over


def scatter(measured: dict[str, list[Metrics]], points: Callable[[Metrics], float]) -> tuple[float, str]:
    """Half of a single network's 95 % interval, NaN where no runs differ in the seed alone; and how many seeds do."""
    alike = {tuple(entry["run"] for entry in group): group for group in measured.values() if len(group) > 1}
    deviation, freedom = spread([np.array([points(entry) for entry in group]) for group in alike.values()])
    if not freedom:
        return np.nan, "1 seed"
    return student_half(freedom) * deviation, f"{sum(map(len, alike.values()))} seeds"


def published_errors(pair: Pair) -> float:
    """The same difference of the printed numbers."""
    column = pair.table.columns.index("Val Top-1")

    def points(run: str) -> float:
        values = next(row.values for row in pair.table.rows if row.run == run)
        return number(values[column]) - (number(values[pair.table.columns.index("Train Top-1")]) if pair.gap else 0)

    return points(pair.first) - points(pair.second)


def pretraining(table: Table, folder: Path) -> list[dict[str, Any]]:
    """Pretrained minus from scratch with as many images, on the folds that both have, for each number of images."""
    pretrained, scratch = accuracy.pretrained(accuracy.read(folder)), accuracy.read_scratch(folder)
    printed = {row.name: row.values for row in table.rows}
    rows = []
    for place, column in enumerate(table.columns):
        count = int(column.split()[0])
        row = {
            "table": table.number,
            "what": f"{set_name(table)}, {count} images: accuracy pretrained − from scratch",
            "published": number(printed[accuracy.PRETRAINED][place]) - number(printed[accuracy.SCRATCH][place]),
        }
        if count in scratch and count in pretrained:
            row |= paired(pretrained[count][: len(scratch[count])] - scratch[count])
        rows.append(row)
    return rows


def depth(transfer: Path) -> list[dict[str, Any]]:
    """Each layer's SVM minus that of the layer before it, on the same folds."""
    printed = {row.name: row.values for row in TABLE7.rows}
    layers = [int(name[5:-1]) for name in printed if name.startswith("SVM")]
    rows = []
    for place, (name, table) in enumerate(SETS.items()):
        measured = accuracy.read(transfer / name)
        for before, layer in pairwise(layers):
            first, second = (table7.folds(measured, "svm", one) for one in (layer, before))
            theirs = [number(printed[f"SVM ({one})"][place]) for one in (layer, before)]
            row = {
                "table": 7,
                "what": f"{set_name(table)}: SVM on layer {layer} − layer {before}",
                "published": theirs[0] - theirs[1],
            }
            rows.append(row | (paired(first - second) if len(first) and len(second) else {}))
    return rows


def paired(differences: np.ndarray) -> dict[str, Any]:
    """Mean and interval of accuracies' differences over folds, in points."""
    if len(differences) < 2:
        return {"value": 100 * differences.mean(), "over": "1 fold"}
    mean, half = student(100 * differences)
    return {"value": mean, "low": mean - half, "high": mean + half, "over": f"{len(differences)} folds"}


def number(printed: Printed) -> float:
    """What a table prints, without its uncertainty."""
    value = printed[0] if isinstance(printed, tuple) else printed
    assert value is not None
    return value


def set_name(table: Table) -> str:
    """`Caltech-101`."""
    return table.title.removesuffix(" accuracy")


def table(path: Path) -> dict[str, Any]:
    """Columns and rows as text for the page, from what the stage wrote."""
    rows: list[Any] = pd.read_csv(present(path, "comparisons")).to_dict("records")
    body = [
        (
            row["what"],
            f"Table {row['table']}",
            signed(row["published"]),
            signed(row["value"]),
            "–" if pd.isna(row["low"]) else f"{signed(row['low'])} to {signed(row['high'])}",
            "–" if pd.isna(row["over"]) else row["over"],
        )
        for row in rows
    ]
    return {"columns": ("Difference, points", "In", "Published", "Ours", "95 % interval", "Over"), "rows": body}


def signed(value: float) -> str:
    """A number with its sign; a dash in place of the hyphen."""
    return "not available" if pd.isna(value) else f"{value:+.1f}".replace("-", "−")


DATA = {paths.COMPARISONS: "this table (CSV)"}
