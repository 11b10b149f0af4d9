"""Table 7: how well the features of each layer classify."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.report.numbers import accuracy
from zfpipe.report.numbers.errors import PaperTable
from zfpipe.report.numbers.published import TABLE7

FOLDER = paths.TRANSFER
SETS = ("caltech101", "caltech256")


def build(folder: Path, runs: Mapping[str, Run]) -> PaperTable:
    """Table 7 from accuracy.csv in the folders of both sets; no run matters but zfnet's."""
    measured = [accuracy.read(folder / name) for name in SETS]
    cells = []
    for row in TABLE7.rows:
        kind, _, layer = row.name.rstrip(")").partition(" (")
        cells.append(accuracy.cells(TABLE7, row, [folds(table, kind.lower(), int(layer)) for table in measured]))
    return PaperTable(TABLE7, cells, notes(measured))


def folds(measured: pd.DataFrame, kind: str, layer: int) -> Float[np.ndarray, "fold"]:
    """A classifier's accuracies with the most training images."""
    rows = measured.query("classifier == @kind and layer == @layer")
    return np.asarray(rows[rows["per_class"] == measured["per_class"].max()]["accuracy"])


def notes(measured: list[pd.DataFrame]) -> list[str]:
    """What a reader has to know to compare."""
    first, second = (f"{table['per_class'].max()} training images per class" for table in measured)
    return [
        accuracy.compared("Caltech-101 and Caltech-256", measured[0]),
        f"Ours, first column: {first}. Second: {second}, on {accuracy.described(measured[1])}.",
        "SVM: linear, with a hinge loss, one class against another. The weight of the errors is chosen on a third of "
        "the training images; the paper does not say how.",
    ]
