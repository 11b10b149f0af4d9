"""Test that networks that learned nothing of the classes support no claim.

The networks are untrained, or trained on labels drawn at random, for three epochs: too few to learn these labels by
heart.
"""

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe import params, paths, store
from zfpipe.network import weights
from zfpipe.network.architecture import variant
from zfpipe.report import ledger
from zfpipe.report.engine.artefact import modules
from zfpipe.report.engine.claims import Given
from zfpipe.tools import profiles

RUNS = ["zfnet", "zfnet-seed1", "zfnet-unclipped", "zfnet-wide", "alexnet", "alexnet-no34", "alexnet-no67",
        "alexnet-no3467"]  # fmt: skip
SETS = ["caltech101", "caltech256", "voc2012"]
SIZES = {
    "pictures": {"train": 360, "val": 180},
    "betons": {"resize": 72},
    "crops": {"size": 64},
    "model": {"width": 0.1},
    "alexnet": {"width": 0.1},
    "training": {"epochs": 3},
    "evaluation": {"train_images": 32},
    "projections": {"maps": 8},
    "invariance": {"images": 48, "translation_step": 20, "scale_step": 0.2, "rotation_step": 50},
    "occlusion": {"images": 96, "shown_stride": 16},
    "targets": {"caltech101": {"pictures": 90, "per_class": [4]},
                "caltech256": {"pictures": 108, "per_class": [4], "fewer": [2]},
                "voc2012": {"pictures": 80}},
    "transfer": {"folds": 3, "test": 5},
    "rows": [*RUNS, "zfnet-five", "zfnet-six"],
    "ensembles": {"zfnet-five": RUNS[:2], "zfnet-six": [*RUNS[:2], "zfnet-wide"]},
}  # fmt: skip
PROBES = ["ensembles", "activations", "projections", "evolution", "names", "features", "filters", "invariance",
          "occlusion", "correspondence"]  # fmt: skip
ABOUT_THE_METHOD = {"hidden-structure"}
"""Claims that are not about learning: the projections of a network with random weights also show what excites a map."""


def made(stages: list[tuple[str, list[str]]]) -> None:
    """Run stages in this process and in the current folder."""
    for name, several in stages:
        for one in several or [""]:
            sys.argv = [f"stages/{name}.py", *filter(None, [one])]
            clear = importlib.import_module(f"stages.{name}").main()
            if clear is not None:
                clear()


def change(values: dict[str, object]) -> None:
    """Write values over the values of params.yaml, as a profile does."""
    Path("profiles").mkdir(exist_ok=True)
    with Path("profiles/here.yaml").open("w") as file:
        YAML().dump(values, file)
    profiles.apply("here", Path("profiles"), Path("params.yaml"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with pictures, sets and betons."""
    folder = tmp_path_factory.mktemp("start")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", sys.argv)
        Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
        Path("paper.yaml").write_text((ROOT / "paper.yaml").read_text())
        Path("zfpipe").symlink_to(ROOT / "zfpipe")
        change(SIZES)
        made([("pictures", []), ("target", SETS), ("betons", ["train", "val"]), ("mean", []), ("pretrained", [])])
        for name in SETS[:2]:  # made-up results of training from scratch: about half of the images are recognised
            rows = [{"per_class": 4, "fold": fold, "accuracy": 0.5 + 0.02 * fold} for fold in range(3)]
            store.save(paths.TRANSFER / name / "scratch.csv", pd.DataFrame(rows).assign(test_images=50))
    return folder


@pytest.fixture(scope="module", params=["untrained", "shuffled"])
def entries(
    request: pytest.FixtureRequest, start: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ledger.Entry]]:
    folder = tmp_path_factory.mktemp("project") / request.param
    shutil.copytree(start, folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", sys.argv)
        if request.param == "shuffled":
            shuffle(paths.INDEX)
            made([("betons", ["train", "val"]), ("train", RUNS)])
        else:
            change({"training": {"learning_rate": 1e-8}})  # for the snapshots: this rate hardly changes a weight
            made([("train", RUNS[:1])])
            settings = params.load()
            for run in RUNS:
                network = weights.untrained(variant(settings, run), settings.crops.size, 60, settings.runs[run].seed)
                weights.save(network, paths.weights(run))
        made([("evaluate", RUNS), ("harvest", SETS), ("transfer", SETS)])
        made([(name, []) for name in PROBES])
        settings = params.load()
        metrics = {run: store.load(paths.metrics(run)) for run in RUNS}
        given = Given(settings.runs, settings.ensembles, settings.targets, False, metrics)
        yield ledger.build(modules(), given)[0]


def shuffle(index: Path) -> None:
    """Give the labels of each split to other images of the split."""
    rows, rng = store.load(index), np.random.default_rng(0)
    for _, part in rows.groupby("split"):
        labels = part["label"].to_numpy()
        rows.loc[part.index, "label"] = pd.Series(labels[rng.permutation(len(part))], index=part.index)
    store.save(index, rows)


def test_no_claim_holds_of_networks_that_learned_nothing(entries: list[ledger.Entry]) -> None:
    verdicts = {one["id"]: one["verdict"] for one in entries}
    assert {name for name, verdict in verdicts.items() if verdict == "holds"} == ABOUT_THE_METHOD
    judged = {name for name, verdict in verdicts.items() if verdict != "not measurable here"}
    assert len(verdicts) == 36 and judged >= {"invariance", "small-changes", "grouping", "variety", "specificity"}
    assert "correspondence" in judged, "the null of correspondence is the untrained network, without a premise"
