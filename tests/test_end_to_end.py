"""Run the whole pipeline in miniature (profile `smoke`), in clones that a new user would have."""

import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.clone import Clone
from tests.imports import PLUMBING, ROOT
from zfpipe.report.engine.artefact import modules
from zfpipe.tools import locks

PART = ("evaluate@zfnet", "figure@2", "table@4")
"""Targets of the second clone: a network's errors, projections and transfer, with all that they need."""


def made(folder: Path, opened: Path) -> Clone:
    """Return a clone in which DVC has run everything with one worker. `opened` logs the files that each stage opens."""
    clone = Clone(folder, workers=1)
    watched = {"PYTHONPATH": str(ROOT / "tests/opened"), "ZFPIPE_OPENED": str(opened)}
    clone.run("dvc", "repro", environment=watched)
    clone.commit()
    return clone


def resumed(folder: Path) -> Clone:
    """Return a clone with two workers where training was killed and resumed, two stages at a time."""
    clone = Clone(folder, workers=2)
    clone.run("dvc", "repro", "mean", "betons@val", "pretrained")
    training = subprocess.Popen(
        ["python", "-m", "stages.train", "zfnet"],
        cwd=clone.folder,
        env=clone.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    kept = clone.folder / ".zfpipe/resume"
    while not list(kept.glob("*/state.pt")) and training.poll() is None:
        time.sleep(0.001)
    os.killpg(training.pid, signal.SIGKILL)
    assert training.wait() == -signal.SIGKILL, "training ended before the kill"
    assert list(kept.glob("*/state.pt")), "the state of the last finished epoch is missing"
    clone.run("python", "-m", "zfpipe", "repro", "--jobs", "2", *PART)
    assert not list(kept.glob("*")), "a finished run left state behind"
    return clone


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for the logs of `tests/opened/sitecustomize.py`."""
    return tmp_path_factory.mktemp("opened")


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory, opened: Path) -> tuple[Clone, Clone]:
    """Make both clones at the same time, since most of the time goes to starting processes."""
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(made, tmp_path_factory.mktemp("clone"), opened)
        other = pool.submit(resumed, tmp_path_factory.mktemp("other"))
        return one.result(), other.result()


@pytest.fixture(scope="module")
def clone(clones: tuple[Clone, Clone]) -> Clone:
    return clones[0]


def stages_of(clone: Clone) -> set[str]:
    """Return all stages that have run in a clone."""
    return set(locks.read_lock(clone.folder))


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def test_every_artefact_is_there(clone: Clone) -> None:
    reports = clone.folder / "reports"
    page = (reports / "index.html").read_text()
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert {f"figures/fig{number}.png" for number in (1, 2, 3, 4, 5, 6, 7, "7b", 8, 9)} <= set(links)
    missing = [link for link in links if not (reports / link).exists()]
    assert not missing
    assert str(clone.folder) not in page
    rows = pd.read_csv(clone.folder / "models/zfnet/history.csv")
    assert rows["epoch"].tolist() == [1, 2, 3]
    claims = json.loads((reports / "claims.json").read_text())
    assert len(claims) == sum(len(getattr(module, "CLAIMS", ())) for module in modules()) and {
        "claims.json",
        "claims.md",
    } <= set(links)
    assert (clone.folder / "metrics.json").exists()
    for number in range(1, 8):
        assert (reports / f"tables/table{number}.csv").stat().st_size > 300


def test_a_stage_declares_the_files_it_opens(clone: Clone, opened: Path) -> None:
    """Files that a stage reads lie in the stage's dependencies, or are plumbing or parameters.

    Files written lie in the stage's outs.
    """
    lock = locks.read_lock(clone.folder)
    free = {*PLUMBING, "params.yaml"}
    seen: set[str] = set()
    wrong = []
    for log in sorted(opened.iterdir()):
        name = log.name.rpartition(".")[0]
        deps, outs = ([entry["path"] for entry in lock[name].get(kind, [])] for kind in ("deps", "outs"))
        for kind, _, path in (line.partition(" ") for line in set(log.read_text().splitlines())):
            file = re.sub(r"(^|/)\.([^/]+)\.partial$", r"\1\2", path)
            places = [*outs, *deps] if kind == "r" else outs
            declared = any(file == place or file.startswith(f"{place}/") for place in places)
            if not declared and file not in free and not file.endswith("__init__.py"):
                wrong.append(f"{name} {'reads' if kind == 'r' else 'writes'} {path}")
            seen |= {name} if declared else set()
    assert not wrong
    assert seen == stages_of(clone), "a stage opens no file"


def test_a_change_of_code_reaches_only_the_stages_that_depend_on_it(clone: Clone) -> None:
    def stale(*names: str) -> set[str]:
        """Return the stages that `dvc status` names after a change in these files."""
        before = {name: (clone.folder / name).read_bytes() for name in names}
        for name, text in before.items():
            (clone.folder / name).write_bytes(text + b"\n# changed\n")
        found = set(json.loads(clone.run("dvc", "status", "--json")))
        for name, text in before.items():
            (clone.folder / name).write_bytes(text)
        return found

    trained = {name for name in stages_of(clone) if name.startswith(("train@", "evaluate@"))}
    assert not stale(*PLUMBING)
    assert stale("zfpipe/report/artefacts/fig7.py") == {"figure@7", "claims", "report"}
    assert not stale("zfpipe/report/page.py", "zfpipe/pictures/sources.py") & trained
    network = stale("zfpipe/network/convnet.py")
    assert trained <= network
    assert not {name for name in network if name.startswith(("pictures", "betons", "mean", "target", "transfer"))}


def test_a_second_repro_does_nothing(clone: Clone) -> None:
    before = clone.lock()
    assert f"0 of {len(stages_of(clone))} stages had changed" in clone.run("python", "-m", "zfpipe", "repro")
    assert clone.lock() == before, "DVC would write the stages of dvc.lock in another order"


def test_another_clone_killed_and_with_two_workers_is_the_same_to_the_byte(
    clones: tuple[Clone, Clone],
) -> None:
    clone, other = clones
    logs = {path.stem: path.read_text() for path in (other.folder / ".zfpipe/logs").iterdir()}
    assert re.search(r"resumed after epoch [12] of 3", logs["train@zfnet"])
    ran = set(logs)
    assert {*PART, "train@zfnet", "scratch@caltech101"} <= ran
    part, whole = (
        {name: entry for name, entry in locks.read_lock(one.folder).items() if name in ran} for one in (other, clone)
    )
    compared = locks.compare(part, whole)
    assert locks.equal(compared), locks.verdict(compared)
    assert part == whole, "the inputs differ"


def test_an_experiment_retrains_only_the_networks_based_on_model(clone: Clone) -> None:
    changes = ("-S", "model.renorm_radius=0.05", "-S", "model.filter_size=5")
    output = clone.run("dvc", "exp", "run", *changes, "evaluate@zfnet", "evaluate@alexnet", "train@alexnet-no3467")
    assert stages_run(output) == {"pretrained", "train@zfnet", "evaluate@zfnet"}
    left = set(json.loads(clone.run("dvc", "status", "--json")))
    assert {"train@zfnet-unclipped", "train@zfnet-wide", "projections", "filters"} <= left
    assert not {"pictures", "mean", "train@alexnet", "train@alexnet-no3467", "evaluate@alexnet"} & left
    assert "model.filter_size" in clone.run("dvc", "params", "diff")
    assert "val_top1" in clone.run("dvc", "metrics", "diff", "--all")
    assert "metrics/zfnet.json:val_top1" in clone.run("dvc", "exp", "show", "--csv")
    clone.run("git", "checkout", "-q", ".")
    clone.run("dvc", "checkout", "-q")


def test_another_librarys_convnet_goes_through_the_same_stages(clone: Clone) -> None:
    (clone.folder / "nets.py").write_text(
        """from torch import nn

def small(num_classes: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, 2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, num_classes),
    )
"""
    )
    clone.run("python", "-c", "import nets, torch; torch.save(nets.small().state_dict(), 'weights/net.pth')")
    (clone.folder / "profiles/own.yaml").write_text(
        "rows: [zfnet, zfnet-unclipped, alexnet, alexnet-no3467]\nwatch: [model]\n"
        "model: {source: 'nets:small', weights: weights/net.pth}\n"
    )
    clone.run("python", "-m", "zfpipe", "profile", "own")
    targets = ("evaluate@alexnet", "atlas", "figure@1", "figure@4", "figure@6", "table@4")
    output = clone.run("dvc", "repro", *targets)
    assert not {"betons@train", "mean", "train@alexnet", "evaluate@alexnet"} & stages_run(output)
    pretrained, trained = (
        load_file(clone.folder / path)
        for path in ("pretrained/model/weights.safetensors", "models/zfnet/weights.safetensors")
    )
    fixed = [name for name in pretrained if torch.equal(pretrained[name], trained[name])]
    assert fixed == [name for name in pretrained if not name.startswith("10.")], "not only the softmax was trained"
    for name in ("principle", "evolution", "filters"):
        assert (clone.folder / name / "unavailable.txt").exists(), (
            "Figs. 1, 4 and 6 must say why they are not available"
        )
    assert "not available" in (clone.folder / "reports/tables/table4.md").read_text(), (
        "nothing is trained from scratch here"
    )
    assert set(pd.read_parquet(clone.folder / "projections/projections.parquet")["layer"]) == {1, 2}
    assert (clone.folder / "reports/atlas/index.html").exists()
    clone.run("git", "clean", "-qfd")
    clone.run("git", "checkout", "-q", ".")
    clone.run("dvc", "checkout", "-q")
