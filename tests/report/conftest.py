"""Provide a project folder with made-up results, in which the report's stages ran."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.imports import ROOT
from tests.report.artefacts import made as results
from tests.report.artefacts import (
    test_features,
    test_fig1,
    test_fig2,
    test_fig3,
    test_fig4,
    test_fig5,
    test_fig6,
    test_fig7,
    test_fig7b,
    test_fig8,
    test_table1,
    test_table6,
    test_table7,
)
from zfpipe import params, store
from zfpipe.report.engine import artefact

CLASSES = ["daisy", "fox & hound", "stop sign"]
COUNTS = {"caltech101": (15, 30), "caltech256": (2, 6, 15, 30, 45, 60)}


def world(settings: params.Params) -> dict[str, Any]:
    """Return made-up results of all stages that the report reads, by their files."""
    runs = {run: (0.1, 0.2 + place / 100) for place, run in enumerate(settings.runs)}
    networks = results.metrics(runs, dict.fromkeys(settings.ensembles, 0.1))
    for run in settings.runs:
        networks[f"{run}.json"] |= {"val_top5": 0.05, "parameters": 1234567}
    for entry in networks["ensembles.json"].values():
        entry |= {"gain_top1": 0.02, "gain_top1_low": 0.01, "gain_top1_high": 0.03}
    transfer = test_table7.folder(test_table7.RISING, test_table7.RISING)
    for name, counts in COUNTS.items():
        found = results.accuracies(test_table7.RISING, {count: 0.5 + count / 1000 for count in counts})
        transfer[f"{name}/accuracy.csv"] = found
        transfer[f"{name}/scratch.csv"] = results.scratch({count: 0.25 for count in counts if count >= 15})
    transfer["voc2012/precision.csv"] = test_table6.precision({"bear": 0.25, "chair": 0.125})["precision.csv"]
    folders: dict[str, dict[str, Any]] = {
        "principle": test_fig1.made(),
        "projections": test_fig2.made(),
        "shapes": {"zfnet.json": test_fig3.PAPER},
        "evolution": test_fig4.made(),
        "invariance": test_fig5.made([*CLASSES, *CLASSES[:2]]),
        "filters": test_fig6.results(),
        "occlusion": test_fig7.results(),
        "attribution": test_fig7b.made(CLASSES),
        "correspondence": test_fig8.made() | test_table1.consistency() | test_table1.files(0.1, 0.01),
        "features": test_features.world(1),
        "metrics": networks,
        "transfer": transfer,
    }
    files = {f"{folder}/{name}": value for folder, found in folders.items() for name, value in found.items()}
    for place, run in enumerate(settings.runs):
        errors = [(epoch, 0.9 / epoch + 0.01 * place) for epoch in range(1, 5)]
        history = pd.DataFrame(errors, columns=["epoch", "train_error"])
        files[f"models/{run}/history.csv"] = history.assign(val_error=history["train_error"] / 2)
        files[f"models/{run}/weights.safetensors"] = run.encode()
    for split, count, lost in (("train", 5321, "1,a.jpg,broken\n2,b.jpg,broken\n"), ("val", 1000, "")):
        versions = {"ffcv": "1.0.2", "numpy": "2.4.6"}
        described = {"sha256": f"{count:064x}", "count": count, "classes": CLASSES, "resize": 146, "versions": versions}
        files[f"data/betons/{split}.json"] = described
        files[f"data/betons/{split}.rejected.csv"] = f"id,path,reason\n{lost}"
    return files | {"reports/atlas/index.html": ""}


def run_stage(words: str) -> None:
    """Run a stage's `main` in the current folder, as `python -m stages.X Y` does."""
    name, *arguments = words.split()
    previous, sys.argv = sys.argv, [f"stages/{name}.py", *arguments]
    try:
        importlib.import_module(f"stages.{name}").main()
    finally:
        sys.argv = previous


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project after its report stages ran."""
    root = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "paper.yaml", "constraints.txt"):
        shutil.copy(ROOT / name, root)
    store.save_all(root, world(params.load(root / "params.yaml")))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for number in artefact.numbers("fig"):
            run_stage(f"figure {number}")
        for number in artefact.numbers("table"):
            run_stage(f"table {number}")
        run_stage("claims")
        run_stage("report")
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a copy of that project to spoil, as the current folder."""
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    yield root
