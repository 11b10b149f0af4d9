"""Compare networks by their errors: the numbers of Tables 2 and 3, and their differences."""

import dataclasses
from collections.abc import Callable, Mapping
from math import isnan, nan
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from zfpipe.probes.intervals import spread, student_half
from zfpipe.report.engine.artefact import Data
from zfpipe.report.engine.claims import Given, Premise
from zfpipe.report.engine.measure import Measure, number
from zfpipe.report.engine.tables import NOT_RUN, OTHERS, Filled, Line, Runs, Table
from zfpipe.sections import alike

ERRORS = {"Train Top-1": "train_top1", "Val Top-1": "val_top1", "Val Top-5": "val_top5"}
"""The paper's columns, and our metrics for them."""
Groups = Mapping[str, pd.DataFrame]
Number = Callable[[Any], Any]
"""The compared quantity, `error` or `overfitting`, computed from our or the printed errors by the paper's columns."""
error: Number = itemgetter("Val Top-1")


def overfitting(errors: Any) -> Any:
    """Return validation error minus training error."""
    return errors["Val Top-1"] - errors["Train Top-1"]


def measured(data: Data, runs: Runs) -> Groups:
    """Return errors in % by run or ensemble; a run has a row for each run that differs only in the seed.

    An ensemble is left out if `runs` has none of its networks.
    """
    groups = {run: {name: data[f"{name}.json"] for name in names} for run, names in alike(runs).items()}
    together = {
        name: entry for name, entry in data["ensembles.json"].items() if not set(entry["runs"]).isdisjoint(runs)
    }
    groups |= {name: {name: entry} for name, entry in together.items()}
    return {name: pd.DataFrame(list(map(percent, group.values())), list(group)) for name, group in groups.items()}


def percent(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's metrics with errors in % by the paper's columns."""
    return {**metrics, **{column: 100 * metrics[name] for column, name in ERRORS.items() if name in metrics}}


def fill(table: Table, data: Data, runs: Runs, *more: str) -> Filled:
    """Return a table of errors with our runs and ensembles next to their printed rows, and `more` notes.

    `runs` are those whose layers were trained here.
    """
    groups = measured(data, runs)
    found = [(row, groups.get(row.run or "")) for row in table.rows]
    lines = [
        Line(row, OTHERS if row.others else NOT_RUN)
        if ran is None
        else Line(row, ours={"ours": [cell(ran, column) for column in table.columns]})
        for row, ran in found
    ]
    notes = [
        "Errors in %. Published: on ImageNet 2012. Ours: on the pictures of this run. Difference: ours minus "
        "published, in points.",
    ]
    for run in list(runs)[:1]:
        images, classes = (data[f"{run}.json"][name] for name in ("val_images", "classes"))
        notes.append(
            f"Ours: ten crops averaged, {images:,} validation images of {classes:,} classes; an error measured on so "
            f"many images has a standard error of up to {number(50 / images**0.5, 1)} points."
        )
    notes += [
        *(
            f"±: mean of {seeds} networks that differ in the seed alone, and half of its 95 % interval (Student's t)."
            for seeds in sorted({len(ran) for _, ran in found if ran is not None} - {1})
        ),
        *more,
    ]
    if any(line.status == NOT_RUN for line in lines):
        notes.append("Not run: params.yaml has no run or ensemble of such networks, trained here.")
    return Filled(table, lines, notes, lacks=[column for column in table.columns if column not in ERRORS])


def cell(networks: pd.DataFrame, column: str) -> Measure | None:
    """Return an error, averaged over seeds; the table shows half of its interval."""
    if column not in networks:
        return None
    if "runs" in networks:
        return Measure(float(networks[column].iloc[0]), n=len(networks["runs"].iloc[0]), over="networks together")
    return dataclasses.replace(Measure.mean(networks[column].to_numpy(), "seeds"), deviation=None)


def tested(table: Table, data: Data, given: Given, weights: Mapping[str, float], what: Number = error) -> list[Measure]:
    """Return a contrast that tests a claim. Raise Unmeasurable if one of the claim's networks is missing."""
    given.needs(*weights)
    return [contrast(table, data, given, weights, what)]


def contrast(
    table: Table, data: Data, given: Given, weights: Mapping[str, float], what: Number = error, part: str = ""
) -> Measure:
    """Return a weighted sum of runs' numbers, each averaged over seeds; NaN if a run is left out."""
    printed = {run: dict(zip(table.columns, table.row(run).values, strict=True)) for run in weights}
    published = sum(weight * what(printed[run]) for run, weight in weights.items())
    groups = measured(data, given.own)
    if not set(weights) <= set(groups):
        return Measure(nan, part=part, published=published)
    return over_seeds({run: what(group) for run, group in groups.items()}, weights, part, published)


def over_seeds(
    groups: Mapping[str, pd.Series], weights: Mapping[str, float], part: str = "", published: float | None = None
) -> Measure:
    """Return a weighted sum of runs' numbers, each averaged over seeds; `groups` holds each run's numbers by seed."""
    half, seeds = scatter(groups)
    value = sum(weight * float(groups[run].mean()) for run, weight in weights.items())
    wide = half * sum(weight**2 / len(groups[run]) for run, weight in weights.items()) ** 0.5
    return around(value, wide, seeds, part, published)


def scatter(groups: Mapping[str, pd.Series]) -> tuple[float, int]:
    """Return half of a single network's 95 % interval, and the number of seeds; NaN if every run has one seed.

    Networks with one seed are assumed to scatter as the networks with several seeds.
    """
    several = {tuple(one.index): one.to_numpy(np.float64) for one in groups.values() if len(one) > 1}
    deviation, freedom = spread(list(several.values()))
    return (student_half(freedom) * deviation, sum(map(len, several.values()))) if freedom else (nan, 1)


def around(value: float, half: float, seeds: int, part: str, published: float | None) -> Measure:
    """Return a number with its interval, or without an interval if `half` is NaN."""
    ends = (None, None) if isnan(half) else (value - half, value + half)
    return Measure(value, *ends, seeds, "seeds", part, published)


def learned(*runs: str) -> Premise:
    """Return the premise that each network does better than always naming the most frequent class."""

    def better(_: Data, given: Given) -> list[Measure]:
        given.needs(*runs)
        found = []
        for run in runs:
            one = given.metrics[run]
            half = 1.96 * (one["val_top1"] * (1 - one["val_top1"]) / one["val_images"]) ** 0.5
            value = one["chance_top1"] - one["val_top1"]
            found.append(Measure(value, value - half, value + half, one["val_images"], "images", run))
        return found

    return Premise("a network that it is about errs no less than one that always names the most frequent class", better)
