"""Test two processes on the CPU through the real launcher against one: same steps, each image once, clean ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file

from stages import train
from tests.conftest import CROP, SIZE
from tests.imports import ROOT
from tests.processes import measured
from zfpipe import params, paths
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.errors import UserError
from zfpipe.network import numerics as device
from zfpipe.network import weights
from zfpipe.network.architecture import variant
from zfpipe.processes import distributed
from zfpipe.reading.reader import Batches
from zfpipe.tools import profiles
from zfpipe.training.loop import dropout_seed

TWO = {"ZFPIPE_PROCESSES": "2", "ZFPIPE_DEVICE": "cpu"}
EPOCHS = 5
# A hundred images in batches of 33 leave one image for the last batch, and nothing for the second process.
PARAMS = f"""# What these tests change in the profile `smoke`
training: {{epochs: {EPOCHS}, batch: 33, learning_rate: 0.01}}
model: {{dropout: 0.0}}
runs: {{zfnet: {{snapshots: [1, 5]}}}}
evaluation: {{train_images: 37}}
"""


def project(folder: Path, beton: Path) -> Path:
    """Return a folder with all that the three stages read."""
    (folder / paths.BETONS).mkdir(parents=True)
    for split in ("train", "val"):
        shutil.copy(beton, folder / paths.beton(split))
        shutil.copy(beton.with_suffix(".json"), folder / paths.sidecar(split))
    np.save(folder / paths.MEAN, np.full((SIZE, SIZE, 3), 118.0, np.float32))
    (folder / paths.PRETRAINED).mkdir()
    (folder / paths.pretrained("model")).touch()
    shutil.copy(ROOT / paths.PARAMS, folder)
    (folder / "test.yaml").write_text(PARAMS)
    profiles.apply("smoke", ROOT / "profiles", folder / paths.PARAMS)
    profiles.apply("test", folder, folder / paths.PARAMS)
    return folder


def several(folder: Path, *stage: str) -> "subprocess.Popen[str]":
    """Start a stage in two processes, as `dvc repro` does."""
    return subprocess.Popen(
        [sys.executable, "-m", *stage],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ZFPIPE_PROCESSES": "2",
            "ZFPIPE_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def one(beton: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which a single process, this one, has trained and measured."""
    folder = project(tmp_path_factory.mktemp("one"), beton)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("ZFPIPE_DEVICE", raising=False)
        patch.setenv("ZFPIPE_THREADS", "1")  # as many as each of the two processes has
        patch.setattr(sys, "argv", ["stage", "zfnet"])
        (train.main() or pytest.fail)()
        measured.main()
    return folder


@pytest.fixture(scope="module")
def killed(beton: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """Kill one of two training processes after the first epoch; return the project, the status and the last line."""
    folder = project(tmp_path_factory.mktemp("two"), beton)
    training = several(folder, "stages.train", "zfnet")
    assert training.stdout is not None
    for line in training.stdout:
        if line.startswith("epoch 1/"):
            break
    workers = psutil.Process(training.pid).children()
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    rest, _ = training.communicate(timeout=60)
    assert not any(worker.is_running() for worker in workers)
    return folder, training.returncode, rest.splitlines()[-1]


@pytest.fixture(scope="module")
def two(killed: tuple[Path, int, str]) -> tuple[Path, str]:
    """Start the training again in two processes; return the project and the output."""
    folder, _, _ = killed
    said, _ = several(folder, "stages.train", "zfnet").communicate(timeout=120)
    return folder, said


def test_a_killed_process_ends_the_stage_with_one_line(killed: tuple[Path, int, str]) -> None:
    folder, status, line = killed
    assert status == 1
    assert line == "zfpipe: process 2 of 2 was killed (SIGKILL); run the stage again"
    assert not (folder / paths.weights("zfnet")).exists()


def test_two_processes_train_as_one(one: Path, two: tuple[Path, str]) -> None:
    """Training is killed and resumed, with the same global batch. Losses agree to 1e-4, weights to 1% of their change.

    Sums in another order round differently, and ReLUs and pools make the difference grow from step to step.
    """
    folder, said = two
    lines = said.splitlines()
    assert lines[0].startswith("resumed after epoch "), said
    assert lines[-1].startswith("done in "), said
    assert len(lines) == len(set(lines)), "not only the first process logs"
    histories = [pd.read_csv(place / paths.history("zfnet")) for place in (one, folder)]
    assert histories[0]["epoch"].tolist() == list(range(1, EPOCHS + 1))
    for name in ("learning_rate", "train_loss", "val_loss"):
        np.testing.assert_allclose(histories[1][name], histories[0][name], rtol=1e-4)
    for name in ("train_error", "val_error"):  # an image at the border of two classes may be in either class
        np.testing.assert_allclose(histories[1][name], histories[0][name], atol=0.011)
    settings = params.load(one / paths.PARAMS)
    classes = len(read_sidecar(one / paths.beton("train")).classes)
    start = weights.untrained(variant(settings, "zfnet"), settings.crops.size, classes, 0).state_dict()
    for file in (paths.snapshots("zfnet") / "0001.safetensors", paths.weights("zfnet")):
        alone, shared = load_file(one / file), load_file(folder / file)
        for name, weight in alone.items():
            change, difference = (weight - start[name]).norm(), (shared[name] - weight).norm()
            print(file.name, name, float(difference / change))
            assert difference <= 0.01 * change, f"{name} in {file}"
    assert not list((folder / paths.RESUME).glob("*")), "a finished run left state behind"


def test_two_processes_measure_as_one(one: Path, beton: Path, tmp_path: Path) -> None:
    """Every file of evaluation, activations, features, evolution and occlusion has the same bytes."""
    folder = project(tmp_path / "two", beton)
    shutil.copytree(one / paths.MODELS, folder / paths.MODELS)
    said, _ = (running := several(folder, "tests.processes.measured", "zfnet")).communicate(timeout=240)
    assert running.returncode == 0, said
    assert [line.partition(" ")[0] for line in said.splitlines()] == ["zfnet:", "done"], said
    shared = pd.read_parquet(folder / paths.evaluation("zfnet"))
    assert shared["id"].tolist() == list(range(100))
    assert json.loads((folder / paths.metrics("zfnet")).read_text())["train_images"] == 37
    assert len(pd.read_csv(folder / measured.HIDDEN / "truth.csv")) > 10
    places = (paths.EVALUATIONS, paths.METRICS, paths.ACTIVATIONS, paths.EVOLUTION, Path(measured.HIDDEN))
    files = [file.relative_to(one) for place in places for file in sorted((one / place).iterdir())]
    assert len(files) > 20
    for file in [*files, Path("harvest.parquet")]:
        assert (folder / file).read_bytes() == (one / file).read_bytes(), file
    assert not (folder / "aside").exists()


@pytest.mark.parametrize("able", ["all", "one"])
def test_two_processes_train_a_compiled_network(
    beton: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: str
) -> None:
    """If one process can't compile, the other must not wait 30 minutes for its gradients."""
    monkeypatch.setenv("ZFPIPE_COMPILE", "1")
    shutil.copy(ROOT / paths.PARAMS, tmp_path)
    said, _ = (running := several(tmp_path, "tests.processes.compiled", str(beton), able)).communicate(timeout=120)
    assert running.returncode == 0, said
    assert ("the network can't be compiled (" in said) == (able == "one"), said


def test_a_mistake_in_every_process_is_one_line(beton: Path, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", beton)
    text = (folder / paths.PARAMS).read_text()
    (folder / paths.PARAMS).write_text(text.replace("  stride: 2\n", "  stride: 0\n", 1))
    said, _ = (running := several(folder, "stages.train", "zfnet")).communicate(timeout=60)
    assert running.returncode == 1
    assert said == "zfpipe: params.yaml: model.stride = 0; must be a whole number from 1 to 4\n"


@pytest.mark.parametrize(("processes", "crops"), [(2, "one of ten"), (3, "ten")])
def test_the_parts_of_a_batch_make_the_batch(beton: Path, processes: int, crops: str) -> None:
    def batches(*part: int) -> list[tuple[torch.Tensor, ...]]:
        choice: Any = {"crops": crops, "part": part} if part else {"crops": crops}
        with Batches(beton, batch=16, crop=CROP, shuffle=True, rows=np.arange(50), **choice) as found:
            assert [found.size(number) for number in range(len(found))] == [16, 16, 16, 2]
            return [(batch.images, batch.labels, batch.ids) for batch in found.epoch(3)]

    parts = [batches(rank, processes) for rank in range(processes)]
    whole = batches()
    for number, expected in enumerate(whole):
        sizes = [len(part[number][0]) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        for column, values in enumerate(expected):
            assert torch.equal(torch.cat([part[number][column] for part in parts]), values)
    assert len(parts[-1][-1][0]) == (processes == 2), "nothing is left of the last batch for the third process"


def test_an_empty_part_of_a_batch_gives_zero_gradients(one: Path) -> None:
    network = weights.load(one / paths.weights("zfnet"), torch.device("cpu")).train()
    network(torch.zeros(0, 3, CROP, CROP)).sum().backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in network.parameters())


def test_a_mistake_in_the_first_process_alone_is_one_line(beton: Path, tmp_path: Path) -> None:
    """The second process waits for what the first finds in the beton."""
    folder = project(tmp_path / "project", beton)
    with (folder / paths.beton("train")).open("r+b") as file:
        file.seek(3 << 20)
        file.write(b"damage")
    said, _ = (running := several(folder, "stages.train", "zfnet")).communicate(timeout=60)
    assert running.returncode == 1
    assert said.startswith("zfpipe: data/betons/train.beton is damaged: its checksum is not the one in its sidecar"), (
        said
    )
    assert said.count("\n") == 1


def test_batches_smaller_than_the_group_are_refused(beton: Path) -> None:
    with pytest.raises(ValueError, match="4 processes can't share batches of 3 images"):
        Batches(beton, batch=3, crop=CROP, crops="centre", part=(0, 4))


def test_each_process_drops_out_other_units() -> None:
    assert dropout_seed(7, 3, 0) == 7 * 1_000_003 + 3, "the first process must have the seed of a run by one process"
    low = {dropout_seed(seed, epoch, rank) & 0xFFFFFFFF for seed in range(3) for epoch in range(9) for rank in range(8)}
    assert len(low) == 3 * 9 * 8, "torch seeds its generator on the CPU with 32 bits"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_how_many_processes_is_a_whole_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_PROCESSES", text)
    with pytest.raises(UserError, match=f"ZFPIPE_PROCESSES = {text}; must be a whole number from 1"):
        distributed.processes()


def test_each_process_has_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    assert device.device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device.device() == torch.device("cuda", 1)
    assert chosen == [0, 1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="ZFPIPE_DEVICE = cuda for 3 processes; this machine has 2 CUDA devices"):
        device.device()
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda:1")
    with pytest.raises(UserError, match="ZFPIPE_DEVICE = cuda:1 names one GPU for 3 processes; use cuda"):
        device.device()


def test_a_driver_that_is_too_old_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nPlease update")

    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    with pytest.raises(UserError, match=r"too old \(found version 11040\); update the driver, or use cpu$"):
        device.device()
