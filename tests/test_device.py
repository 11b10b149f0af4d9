"""Run every stage that uses a device on a pretended device, which refuses to meet the processor's tensors."""

import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from tests import pretended
from tests.imports import ROOT
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.tools import profiles

BEFORE = ("pictures", "pretrained", "betons train", "betons val", "mean", "target caltech101")
KINDS = (".npy", ".safetensors", ".parquet", ".csv")
RUNS = ("zfnet", "zfnet-unclipped", "alexnet")
PROBES = {
    "evaluate zfnet": "evaluations",
    "activations": "activations",
    "projections": "projections",
    "principle": "principle",
    "evolution": "evolution",
    "units": "units",
    "names": "names",
    "features": "features",
    "atlas": "",
    "filters": "filters",
    "invariance": "invariance",
    "occlusion": "occlusion",
    "attribution": "attribution",
    "correspondence": "correspondence",
    "harvest caltech101": "harvest",
    "scratch caltech101": "transfer/caltech101",
}
"""What the stages write. The atlas is pictures, without numbers to compare."""


def run(name: str, folder: Path) -> None:
    """Run the `main` of a stage in a folder."""
    module, *arguments = name.split()
    main: Callable[[], Any] = import_module(f"stages.{module}").main
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [f"stages/{module}.py", *arguments])
        main()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three networks, trained on the processor for an epoch."""
    folder = tmp_path_factory.mktemp("processor")
    shutil.copy(ROOT / "params.yaml", folder)
    profiles.apply("smoke", ROOT / "profiles", folder / "params.yaml")
    smaller: dict[str, Any] = {
        "pictures": {"train": 60, "val": 60},
        "training": {"epochs": 1, "batch": 24},
        "runs": {"zfnet": {"snapshots": [1]}},
        "rows": list(RUNS),
        "names": {"images": 8},
        "occlusion": {"images": 6},
        "attribution": {"images": 4},
    }
    profiles.write(smaller, Path("smaller"), folder / "params.yaml")
    for name in (*BEFORE, *(f"train {one}" for one in RUNS)):
        run(name, folder)
    return folder


@pytest.fixture(scope="module")
def measured(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project, in which every stage has run on the processor."""
    copy = tmp_path_factory.mktemp("pretended")
    for name in PROBES:
        run(name, project)
    shutil.copytree(project, copy, dirs_exist_ok=True)
    return copy


def values(path: Path) -> dict[str, np.ndarray]:
    """Return the numbers of a file by name, lists of numbers as arrays."""
    kind = path.suffix
    if kind == ".npy":
        return {"": np.load(path)}
    if kind == ".safetensors":
        return load_file(path)
    table = pd.read_parquet(path) if kind == ".parquet" else pd.read_csv(path)
    columns = {name: np.stack([*column]) for name, column in table.items() if len(column)}
    return {str(name): column for name, column in columns.items() if column.dtype.kind in "fiub"}


def differences(one: Path, other: Path, outs: str) -> list[str]:
    """Return the names of the numbers that differ by more than a thousandth of the largest.

    Whole numbers must be equal.
    """
    files = [path for out in outs.split() for path in sorted((one / out).rglob("*")) if path.suffix in KINDS]
    assert files or not outs, f"{outs} has no files with numbers"
    wrong = []
    for file in files:
        name, found = file.relative_to(one), values(other / file.relative_to(one))
        for column, expected in values(file).items():
            if expected.dtype.kind == "f":
                limit = 1e-3 * max(1e-30, np.abs(expected[np.isfinite(expected)]).max(initial=0))
                alike = np.allclose(found[column], expected, rtol=0, atol=limit, equal_nan=True)
            else:
                alike = np.array_equal(found[column], expected)
            wrong += [] if alike else [f"{name}: {column}"]
    return wrong


@pytest.mark.parametrize("name", PROBES)
def test_a_stage_on_the_device_finds_what_it_finds_on_the_processor(name: str, project: Path, measured: Path) -> None:
    for out in PROBES[name].split():
        shutil.rmtree(measured / out)
    with pretended.device():
        run(name, measured)
    assert differences(project, measured, PROBES[name]) == []


def test_training_on_the_device_makes_the_same_network(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    with pretended.device():
        run("train zfnet", tmp_path)
    assert differences(project, tmp_path, "models/zfnet") == []


def test_a_tensor_left_on_the_processor_is_caught(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(self: MeanSubtraction, mean_crops: torch.Tensor, device: torch.device) -> None:
        self.mean_crops, self.device = mean_crops, device

    monkeypatch.setattr(MeanSubtraction, "__init__", kept)
    with pretended.device(), pytest.raises(RuntimeError, match="all tensors to be on the same device"):
        run("activations", project)


def test_the_pretended_device_refuses_what_a_gpu_refuses() -> None:
    with pretended.device() as device:
        here = torch.ones(3)
        there = here.to(device)
        assert torch.equal((there * 2 + torch.tensor(1.0))[torch.tensor([0])].cpu(), torch.tensor([3.0]))
        with pytest.raises(RuntimeError, match="same device"):
            _ = there + here
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
