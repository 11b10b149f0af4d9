"""Test `zfpipe verify` on toy pipelines: the stage that differs is named, training killed, tables compared."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe.errors import UserError
from zfpipe.tools import locks, verify

TRAINING = """
import os, pathlib, time
state = pathlib.Path(".zfpipe/resume/run/state.pt")
pathlib.Path("trained").write_text("the same")
if os.environ["ZFPIPE_WORKERS"] == "1":
    if not state.exists():
        state.parent.mkdir(parents=True)
        state.touch()
        time.sleep(60)
        raise SystemExit("was not killed")
    print("resumed after epoch 1", flush=True)
"""
"""The code of a stage that one worker can finish only after a kill."""


def stage(command: str, *deps: str, out: str) -> dict[str, Any]:
    return {"cmd": command, "deps": list(deps), "outs": [out]}


PIPELINE = {
    "train": stage("python train.py", "source", out="trained"),
    "measure": stage("cat trained > measured", "trained", out="measured"),
    "draw": stage("cat measured > drawn", "measured", out="drawn"),
}
RANDOM = PIPELINE | {"measure": stage("head -c 9 /dev/urandom > measured", "trained", out="measured")}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository in which nothing has run."""
    for name in os.environ:
        if name.startswith(("DVC_", "ZFPIPE_", "GIT_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("ZFPIPE_WORKERS", "2")
    Path("source").write_text("1")
    Path("train.py").write_text(TRAINING)
    sh("git", "init", "-q")
    sh(sys.executable, "-m", "dvc", "init", "-q")
    return folder


def sh(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)


def committed(pipeline: dict[str, Any]) -> None:
    """Run a pipeline, and commit the pipeline with its dvc.lock."""
    with Path("dvc.yaml").open("w") as file:
        YAML().dump({"stages": pipeline}, file)
    sh(sys.executable, "-m", "dvc", "repro", "-q")
    commit()


def commit() -> None:
    sh("git", "add", "-A")
    sh("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "state", "--allow-empty")


def test_runs_are_equal_across_workers_and_a_kill(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    committed(PIPELINE)
    Path("source").write_text("2")  # not committed, so not run
    run = verify.run

    def commit_after(*words: Any, **more: Any) -> None:
        run(*words, **more)
        commit()

    monkeypatch.setattr(verify, "run", commit_after)  # a commit made while the first clone runs is not in the second
    assert verify.verify([1, 2], 2, None, [])
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "the last commit is run; files that are changed or new since, left out: 1"
    assert sum(line.startswith("train: done in ") for line in lines) == 2, "training must run once in each clone"
    assert lines[-10:] == [
        "run 1 (1 worker, killed and finished) beside the committed dvc.lock:",
        *(f"equal    {name}" for name in PIPELINE),
        "equal to the byte: every output of 3 stages",
        "run 2 (2 workers) beside run 1 (1 worker, killed and finished):",
        *(f"equal    {name}" for name in PIPELINE),
        "equal to the byte: every output of 3 stages",
    ]
    assert not list(tmp_path.glob("zfpipe-verify-*")), "clones are left behind"


def test_a_stage_that_makes_something_else_each_time_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All repositories share a cache, from which a clone could take the old bytes."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    sh(sys.executable, "-m", "dvc", "config", "--global", "cache.dir", str(tmp_path / "shared"))
    committed(RANDOM)
    assert list((tmp_path / "shared").iterdir())
    assert not verify.verify([2], 2, None, [])
    lines = capfd.readouterr().out.splitlines()
    assert lines[-7:-1] == [
        "run 1 (2 workers, killed and finished) beside the committed dvc.lock:",
        "equal    train",
        "differs  measure: measured; equal inputs",
        "differs  draw: drawn; other inputs: measured",
        "2 of 3 stages differ; the first is measure: measured",
        "the first that makes different outputs from equal inputs is measure",
    ]
    (clones,) = tmp_path.glob("zfpipe-verify-*")
    assert lines[-1] == f"the clones stay in {clones}"
    assert (clones / "run1/measured").read_bytes() != Path("measured").read_bytes()


def test_a_run_that_fails_is_one_line(project: Path) -> None:
    committed(
        {"count": stage("test ! -e .git/refs/remotes/origin && echo 1 > n", "source", out="n")}
    )  # fails in a clone
    with pytest.raises(UserError, match=r"the run in \S+/run1 failed; its last lines say why"):
        verify.verify([2], 1, None, [])


def test_a_folder_without_a_commit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"verify: .*not a git repository.*; it clones the last commit"):
        verify.verify([1], 1, None, [])


def entry(md5: str, **inputs: str) -> dict[str, Any]:
    """Return a stage as a dvc.lock holds stages."""
    return {
        "cmd": "make",
        "deps": [{"path": name, "md5": text} for name, text in inputs.items()],
        "params": {"params.yaml": {"seed": 0}},
        "outs": [{"path": "out", "md5": md5}],
    }


def test_other_inputs_are_told_from_a_stage_that_varies() -> None:
    lock = {"one": entry("1", code="a"), "two": entry("2", out="1"), "three": entry("3", mean="5")}
    other = {"one": entry("9", code="b"), "two": entry("8", out="9"), "three": entry("3", mean="5")}
    compared = locks.compare(lock, other)
    assert [(stage.inputs, stage.outs) for stage in compared] == [(["code"], ["out"]), (["out"], ["out"]), ([], [])]
    assert locks.verdict(compared) == [
        "2 of 3 stages differ; the first is one: out",
        "no stage makes different outputs from equal inputs; one had other code",
    ]
    other["three"] = entry("7", mean="5")
    assert locks.verdict(locks.compare(lock, other))[1].endswith("from equal inputs is three")
    other = lock | {"one": entry("1", code="b") | {"cmd": "other", "params": {"params.yaml": {"seed": 1}}}}
    assert locks.verdict(locks.compare(lock, other)) == [
        "equal to the byte: every output of 3 stages",
        "though one had other inputs: cmd, code, seed",
    ]
    assert not locks.equal(locks.compare(lock, {"one": lock["one"]})), "a stage that did not run is not equal"


def results(folder: Path, error: float, cell: str) -> Path:
    """Write all that `against` reads."""
    (folder / "metrics").mkdir(parents=True)
    (folder / "reports/tables").mkdir(parents=True)
    (folder / "metrics/net.json").write_text(json.dumps({"val_top1": error, "images": 1000}))
    (folder / "metrics/ensembles.json").write_text(json.dumps({"five": {"val_top1": 0.5}}))
    head = "group,row,column,published,part,value"
    (folder / "reports/tables/table1.csv").write_text(f"{head}\n,eye,Layer 5,0.07,ours,0.1\n")
    (folder / "reports/tables/table2.csv").write_text(f"{head}\nOurs,net,Val,9,ours,{cell}\n")
    with (folder / "dvc.lock").open("w") as file:
        YAML().dump({"schema": "2.0", "stages": {"one": entry(str(error))}}, file)
    return folder


@pytest.mark.parametrize(
    ("error", "cell", "within", "largest"),
    [
        (0.052, "12.0", True, "2.00 (reports/tables/table2.csv: Ours net, Val, ours)"),
        (0.211, "10.0", False, "16.10 (metrics/net.json: val_top1)"),
        (0.171, "19.0", False, "12.10 (metrics/net.json: val_top1)"),  # 5.3 on average
        (0.052, "", False, "inf (reports/tables/table2.csv: Ours net, Val, ours)"),
    ],
)
def test_tables_are_compared_with_a_tolerance(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: float,
    cell: str,
    within: bool,
    largest: str,
) -> None:
    assert locks.distances(results(tmp_path / "a", 0.5, "1.0"), results(tmp_path / "b", 0.5, "1.0")) == {
        "metrics/ensembles.json: five val_top1": 0,
        "metrics/net.json: val_top1": 0,
        "reports/tables/table1.csv: eye, Layer 5, ours": 0,
        "reports/tables/table2.csv: Ours net, Val, ours": 0,
    }
    other = results(tmp_path / "other", error, cell)
    results(tmp_path / "here", 0.05, "10.0")
    monkeypatch.chdir(tmp_path / "here")
    assert verify.against(other) == within
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("4 numbers of the tables: ") and lines[-2].endswith(f"at most {largest}")
    assert lines[-1].startswith("within" if within else "not within")
    assert verify.against(tmp_path / "here"), "a run must equal itself"


def test_a_folder_without_a_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results(tmp_path / "here", 0.05, "10.0")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match=r"dvc\.lock not found; must be in the folder of a project in which"):
        verify.against(tmp_path)
