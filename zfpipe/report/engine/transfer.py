"""Compare accuracies in % on another data set, pretrained and from scratch (Tables 4, 5 and 7, Fig. 9)."""

from collections.abc import Iterable
from functools import partial
from math import nan

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe.report.engine.artefact import Data
from zfpipe.report.engine.claims import NARROWER, Claim, Given, Unmeasurable, above
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.networks import learned
from zfpipe.report.engine.tables import OTHERS, Filled, Line, Row, Runs, Table

SCRATCH, PRETRAINED = "Non-pretrained convnet", "ImageNet-pretrained convnet"  # rows of Tables 4 and 5
NO_SCRATCH = "nothing is trained from scratch where the network's layers were trained elsewhere (model.source)"
DRAWN = "the paper compares with what others reached on {}, and these pictures are drawn by zfpipe"
METHODS = """
{% set per_class, fewer = "targets.SET.per_class", "targets.SET.fewer" %}
- `SET`: {% if value("targets.SET.drawn") %}{{ p("targets.SET.pictures") }} drawn pictures of classes that the networks
  never saw {{ about("targets.SET.root") }}{{ differs }}
  {%- else %}the set as it is downloaded, from a folder named `{{ p("targets.SET.root") }}`
  {%- endif %}; {% if value(per_class) %}{{ p(per_class) }} training images per class
  {%- else %}its own split {{ about(per_class) }}
  {%- endif %}{% if value(fewer) %}, and {{ p(fewer) }} for Fig. 9{% else %}{{ about(fewer) }}{% endif %}.
"""
"""The description of a set's pictures, for the methods."""

Folds = Float[np.ndarray, "fold"]


def pretrained(data: Data) -> dict[int, Folds]:
    """Return the accuracies of a softmax on the last hidden layer in each fold, by training images per class."""
    return by_count(data["accuracy.csv"].query("classifier == 'softmax' and layer == layer.max()"))


def scratch(data: Data) -> dict[int, Folds]:
    """Return the accuracies of a network trained on the set alone; empty if zfnet was not trained here."""
    return by_count(data["scratch.csv"])


def by_count(rows: pd.DataFrame) -> dict[int, Folds]:
    """Return the accuracies of rows by training images per class."""
    return {int(str(count)): 100 * group["accuracy"].to_numpy() for count, group in rows.groupby("per_class")}


def counts(table: Table) -> dict[int, str]:
    """Return the table's columns by training images per class."""
    return {int(column.split()[0]): column for column in table.columns}


def gain(table: Table, data: Data, count: int, part: str) -> Measure:
    """Return pretrained minus from-scratch accuracy with `count` training images per class."""
    column = counts(table).get(count)
    theirs = None if column is None else table.printed(PRETRAINED, column) - table.printed(SCRATCH, column)
    return difference(pretrained(data).get(count), scratch(data).get(count), part, theirs)


def difference(first: Folds | None, second: Folds | None, part: str, published: float | None) -> Measure:
    """Return first minus second accuracy on the folds that both have; NaN if one side is missing."""
    if first is None or second is None:
        return Measure(nan, part=part, published=published)
    both = min(len(first), len(second))
    return Measure.mean(first[:both] - second[:both], "folds", part, published)


def gains(table: Table, data: Data, given: Given) -> list[Measure]:
    """Return the gain for each number of images with a network from scratch. Raise Unmeasurable if there is none."""
    if not scratch(data):
        raise Unmeasurable(NO_SCRATCH)
    return [gain(table, data, count, f"{count} images per class") for count in scratch(data)]


def claim(table: Table, name: str, words: str) -> Claim:
    """Return the claim that pretraining helps much on a set."""
    statistic = "accuracy, pretrained minus from scratch on the same folds; for each number of images per class"
    why = "half of the paper's smallest difference"
    far = NARROWER * min(table.printed(PRETRAINED, name) - table.printed(SCRATCH, name) for name in table.columns)
    return Claim(
        name, words, statistic, "points", above(far), partial(gains, table), "from scratch", [learned("zfnet")], why=why
    )


def differences(table: Table, name: str, data: Data, given: Given) -> list[Measure]:
    """Return the gain for each number of images in the table; `name` is the paper's name of the set."""
    part = f"{name}, {{}} images: accuracy pretrained − from scratch"
    return [gain(table, data, count, part.format(count)) for count in counts(table)]


def fill(table: Table, name: str, data: Data, runs: Runs) -> Filled:
    """Return Table 4 or 5 with our accuracies; `name` is the paper's name of the set."""
    ours = {PRETRAINED: pretrained(data), SCRATCH: scratch(data)}
    folds = {len(one) for one in ours[SCRATCH].values()}
    where = "".join(f", on {count} of the folds" for count in folds) or f": {NO_SCRATCH}"
    trained = "on this run's own pictures, not on ImageNet" if folds else "elsewhere (model.source)"
    notes = [
        compared(name, data["accuracy.csv"]),
        f"Pretrained: ours {trained}; its layers are fixed and a new softmax is "
        f"trained on the features of the last hidden one. Non-pretrained: all of it from random weights{where}.",
    ]
    return Filled(table, [line(row, map(ours.get(row.name, {}).get, counts(table))) for row in table.rows], notes)


def line(row: Row, folds: Iterable[Folds | None]) -> Line:
    """Return a row with each column's mean and deviation over folds, or None without a measurement."""
    if row.others:
        return Line(row, OTHERS)
    return Line(row, ours={"ours": [None if one is None else Measure.mean(one, "folds") for one in folds]})


def compared(name: str, accuracies: pd.DataFrame) -> str:
    """Return the note on the unit, and on the paper's and our images."""
    return (
        "Accuracy in %: the mean over the classes of the share of their test images that are recognised; ± standard "
        f"deviation over the folds. Published: on {name}. Ours: on {described(accuracies)}, "
        f"{accuracies['fold'].nunique()} folds of {accuracies['test_images'].iloc[0]:,} test images. Difference: ours "
        "minus published, in points."
    )


def described(accuracies: pd.DataFrame) -> str:
    """Return a description of our set."""
    return f"{accuracies['classes'].iloc[0]} classes" + " that zfpipe draws" * bool(accuracies["drawn"].iloc[0])
