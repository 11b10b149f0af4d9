"""Make up results of networks and sets, as stages leave them, and judge claims on the results."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe import params
from zfpipe.report.engine.claims import Given, judge
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.tables import Filled
from zfpipe.sections import Run

SETTINGS = params.load(ROOT / "params.yaml")
PAPERS = YAML(typ="safe").load((ROOT / "paper.yaml").read_text())["runs"]
RUNS = {**SETTINGS.runs, **{name: Run.model_validate(run) for name, run in PAPERS.items() if "base" in run}}
"""The runs of the default parameters, and the paper's other rows."""
METRICS = {run: {"val_top1": 0.1, "chance_top1": 0.9, "val_images": 1000} for run in RUNS}
"""Errors of networks that have learned."""
DRAWN = Given(RUNS, SETTINGS.ensembles, SETTINGS.targets, False, METRICS)
REAL = Given(
    RUNS,
    SETTINGS.ensembles,
    SETTINGS.targets.model_copy(update={name: one.model_copy(update={"root": "x"}) for name, one in SETTINGS.targets}),
    False,
    METRICS,
)
"""All that claims know of params.yaml, with the sets that zfpipe draws (DRAWN) or the paper's sets (REAL)."""


def given(runs: Mapping[str, Run], elsewhere: bool = False) -> Given:
    return Given(runs, {}, SETTINGS.targets, elsewhere, METRICS)


def judged(module: ModuleType, claim: str, data: Any, given: Given) -> tuple[str, Measure]:
    """Return the verdict on a claim of an artefact, and the number that decides."""
    [found] = [one for one in module.CLAIMS if one.id == claim]
    return judge(found.rule, found.measure(data, given))


def rows(filled: Filled) -> dict[str, list[str]]:
    """Return a table's cells as people read them, by the names of the rows."""
    return {name: [words for _, words in cells] for name, cells, status in filled.body() if status != "group"}


def metrics(errors: Mapping[str, tuple[float, float]], ensembles: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return the metrics folder: training and validation top-1 errors by run, and validation errors by ensemble."""
    counts = {"val_images": 1000, "classes": 3, "chance_top1": 0.9}
    found: dict[str, Any] = {
        f"{run}.json": {"run": run, "train_top1": train, "val_top1": val, "val_top5": val / 2, "train_images": 500}
        | counts
        for run, (train, val) in errors.items()
    }
    found["ensembles.json"] = {
        name: {"runs": ["zfnet", "zfnet-wide"], "val_top1": error, "val_top5": error / 2} | counts
        for name, error in (ensembles or {}).items()
    }
    return found


def accuracies(layers: Sequence[float] | Mapping[int, float], counts: Mapping[int, float], spread=0.01) -> pd.DataFrame:
    """Return a set's accuracy.csv with three folds.

    The classifiers are an SVM for each layer, a softmax on layer 5, and a softmax on layer 7 for each number of images.
    """
    numbers = layers if isinstance(layers, Mapping) else dict(zip((1, 2, 3, 4, 5, 7), layers, strict=False))
    asked = [("svm", layer, max(counts), mean) for layer, mean in numbers.items()]
    asked += [("softmax", 5, max(counts), 0.125), *(("softmax", 7, count, mean) for count, mean in counts.items())]
    columns = ("classifier", "layer", "per_class", "accuracy", "fold")
    found = [(*one[:3], one[3] + spread * (fold - 1), fold) for one in asked for fold in range(3)]
    return pd.DataFrame(found, columns=columns).assign(classes=10, test_images=1200, drawn=True)


def scratch(counts: Mapping[int, float], spread: float = 0.1) -> pd.DataFrame:
    """Return a set's scratch.csv with two folds."""
    found = [(count, fold, mean + spread * (fold - 0.5)) for count, mean in counts.items() for fold in range(2)]
    return pd.DataFrame(found, columns=("per_class", "fold", "accuracy")).assign(test_images=1200)
