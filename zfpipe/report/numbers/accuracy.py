"""Accuracies on other sets beside the published ones: Tables 4 and 5, and rows of Table 7."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe.report.numbers.errors import OTHERS, RAN, UNAVAILABLE, Cells, PaperTable, key
from zfpipe.report.numbers.measured import present
from zfpipe.report.numbers.published import Printed, Row, Table, text

SCRATCH, PRETRAINED = "Non-pretrained convnet", "ImageNet-pretrained convnet"
"""The rows of Tables 4 and 5 that we measure."""


def build(table: Table, folder: Path) -> PaperTable:
    """Table 4 or 5 from accuracy.csv and scratch.csv in a set's folder."""
    ours = {PRETRAINED: pretrained(read(folder)), SCRATCH: read_scratch(folder)}
    found = []
    for row in table.rows:
        measured = [ours.get(row.name, {}).get(int(column.split()[0]), np.zeros(0)) for column in table.columns]
        found.append(cells(table, row, measured))
    return PaperTable(table, found, notes(table, folder))


def read(folder: Path) -> pd.DataFrame:
    """Every classifier on a set's features, a row for each fold."""
    return pd.read_csv(present(folder / "accuracy.csv", f"transfer@{folder.name}"))


def read_scratch(folder: Path) -> dict[int, Float[np.ndarray, "fold"]]:
    """The folds' accuracies of the network trained on the set alone, by training images per class."""
    return by_count(pd.read_csv(present(folder / "scratch.csv", f"scratch@{folder.name}")))


def pretrained(measured: pd.DataFrame) -> dict[int, Float[np.ndarray, "fold"]]:
    """The folds' accuracies of a softmax on the last hidden layer, by training images per class."""
    return by_count(measured.query("classifier == 'softmax' and layer == layer.max()"))


def by_count(rows: pd.DataFrame) -> dict[int, Float[np.ndarray, "fold"]]:
    """The accuracies of rows by training images per class."""
    counts = sorted(set(rows["per_class"]))
    return {int(count): rows.query("per_class == @count")["accuracy"].to_numpy() for count in counts}


def cells(table: Table, row: Row, ours: list[Float[np.ndarray, "fold"]]) -> Cells:
    """A row's cells; `ours` has the folds' accuracies for each column, none where nothing was measured."""
    found: Cells = {"row": row.name, "run": "" if row.others else "zfnet", "status": OTHERS if row.others else RAN}
    for column, printed, folds in zip(table.columns, row.values, ours, strict=True):
        found[f"published_{key(column)}"] = "" if printed is None else text(printed, table.decimals)
        found[f"ours_{key(column)}"] = written(folds) or ("" if row.others else UNAVAILABLE)
        found[f"difference_{key(column)}"] = difference(folds, printed)
    return found


def written(folds: Float[np.ndarray, "fold"]) -> str:
    """Mean and deviation in %; of one fold there is no deviation."""
    if len(folds) < 2:
        return "".join(f"{100 * one:.1f}" for one in folds)
    return f"{100 * folds.mean():.1f} ± {100 * folds.std(ddof=1):.1f}"


def difference(folds: Float[np.ndarray, "fold"], printed: Printed) -> str:
    """Of the numbers as shown, so that a reader who subtracts finds the same."""
    if not len(folds) or printed is None:
        return ""
    published = printed[0] if isinstance(printed, tuple) else printed
    return f"{round(100 * folds.mean(), 1) - published:+.1f}"


def notes(table: Table, folder: Path) -> list[str]:
    """What a reader has to know to compare Table 4 or 5."""
    folds = {len(found) for found in read_scratch(folder).values()}
    scratch = "".join(f", on {count} of the folds" for count in folds) or ": not trained, as model.source names a file"
    return [
        compared(table.title.removesuffix(" accuracy"), read(folder)),
        "Pretrained: ours on this run's own pictures, not on ImageNet; its layers are fixed and a new softmax is "
        f"trained on the features of the last hidden one. Non-pretrained: all of it from random weights{scratch}.",
    ]


def compared(published: str, measured: pd.DataFrame) -> str:
    """The unit, and the images on both sides."""
    images, folds = int(measured["test_images"].iloc[0]), measured["fold"].nunique()
    return (
        "Accuracy in %: the mean over the classes of the share of their test images that are recognised; ± standard "
        f"deviation over the folds. Published: on {published}. Ours: on {described(measured)}, {folds} folds of "
        f"{images:,} test images. Difference: ours minus published, in points."
    )


def described(measured: pd.DataFrame) -> str:
    """Which set ours is."""
    drawn = " that zfpipe draws" if bool(measured["drawn"].iloc[0]) else ""
    return f"{measured['classes'].iloc[0]} classes{drawn}"
