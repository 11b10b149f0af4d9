"""What the pipeline measured, read from its files: metrics, training histories and the betons' descriptions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from zfpipe import paths
from zfpipe.errors import UserError

Metrics = dict[str, Any]
"""A run's metrics: errors as fractions, counts of images, classes and parameters."""


@dataclass(frozen=True)
class Split:
    """One split as it was used: how many images, of which classes, at which side, and how many could not be read.

    `sha256` is its beton's, and `versions` are of the libraries that wrote that.
    """

    count: int
    classes: list[str]
    resize: int
    rejected: int
    sha256: str
    versions: dict[str, str]


def present(path: Path, target: str) -> Path:
    """A path, or a UserError that names the stage which makes it."""
    if not path.exists():
        raise UserError(f"{path} not found; make it: dvc repro {target}")
    return path


def read_metrics(folder: Path, run: str) -> Metrics:
    """The metrics of a run, which must have been evaluated."""
    path = present(folder / paths.metrics(run).name, f"evaluate@{run}")
    try:
        metrics = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}; make it again: dvc repro -f evaluate@{run}") from None
    missing = {"train_top1", "train_images", "val_top1", "val_top5", "val_images", "classes", "parameters"} - set(
        metrics
    )
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}; make it again: dvc repro -f evaluate@{run}")
    return metrics


def read_ensembles(path: Path) -> dict[str, Metrics]:
    """The metrics of every ensemble, by name; errors on validation images alone."""
    return json.loads(present(path, "ensembles").read_text())


def read_history(run: str) -> pd.DataFrame:
    """A row per epoch: losses, and errors as fractions."""
    return pd.read_csv(present(paths.history(run), f"train@{run}"))


def read_split(split: str) -> Split:
    """A split's description, from beside its beton."""
    described = json.loads(present(paths.sidecar(split), f"betons@{split}").read_text())
    rejected = len(pd.read_csv(present(paths.rejected(split), f"betons@{split}")))
    return Split(
        described["count"],
        described["classes"],
        described["resize"],
        rejected,
        described["sha256"],
        described["versions"],
    )
