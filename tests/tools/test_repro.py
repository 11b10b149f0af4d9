"""`zfpipe repro --jobs N` on toy pipelines: order, side by side, failures, interruptions, and DVC's own dvc.lock."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe.errors import UserError
from zfpipe.tools import repro

MEET = "touch {0}.here; for i in $(seq 200); do test -e {1}.here && break; sleep 0.05; done; test -e {1}.here"
"""A stage that can only succeed while another one runs."""


def stage(command: str, *deps: str, out: str) -> dict[str, Any]:
    return {"cmd": command, "deps": list(deps), "outs": [out]}


TWINS = {
    "base": stage("cat source > base", "source", out="base"),
    "one": stage(f"{MEET.format('one', 'two')} && cat base > one", "base", out="one"),
    "two": stage(f"{MEET.format('two', 'one')} && cat base > two", "base", out="two"),
    "last": stage("cat one two > last", "one", "two", out="last"),
    "alone": stage("echo alone > alone", out="alone"),
}
"""`dvc repro` runs `last` with what it needs before `alone`; side by side `alone` is done long before."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith(("DVC_", "ZFPIPE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source").write_text("1")
    dvc("init", "--no-scm", "-q")
    return tmp_path


def write(pipeline: dict[str, Any]) -> None:
    with Path("dvc.yaml").open("w") as file:
        YAML().dump({"stages": pipeline}, file)


def dvc(*command: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *command], check=True, timeout=60, stdout=subprocess.DEVNULL)


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "zfpipe", "repro", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ran(*arguments: str) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_side_by_side_gives_dvcs_own_lock(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(TWINS)
    status, out, err = ran("--jobs", "3")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[-1] == "5 of 5 stages had changed"
    for line in lines[:-1]:
        assert line.partition(": ")[0] in TWINS, "each line stands after its stage's name"
    assert lines.index("base: Running stage 'base':") < lines.index("one: Running stage 'one':")
    assert (project / "last").read_text() == "11"
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").unlink()
    dvc("repro", "-q", "--force", "--no-run-cache")
    assert (project / "dvc.lock").read_text() == lock
    yaml = YAML()
    left = yaml.load(lock)  # by a run that was killed: in no order, and not all of it
    left["stages"].move_to_end("base")
    del left["stages"]["last"]
    yaml.dump(left, project / "dvc.lock")
    assert ran("--jobs", "3")[0] == 0
    assert (project / "dvc.lock").read_text() == lock

    def refuse(*_: Any) -> None:
        raise AssertionError("a stage that has not changed costs no process")

    with monkeypatch.context() as patch:
        patch.setattr(repro, "start", refuse)
        assert repro.run(repro.Schedule([]), 2, 0) == []
    write(TWINS | {"base": stage("cat source > base;", "source", out="base")})
    started = []
    actual = repro.start
    monkeypatch.setattr(repro, "start", lambda name, gpu: started.append(name) or actual(name, gpu))
    assert repro.run(repro.Schedule(["last"]), 2, 0) == []
    assert started == ["base"], "the others' inputs have turned out as they were"


def test_what_needs_little_goes_first(project: Path) -> None:
    write(TWINS)
    schedule = repro.Schedule([])
    assert [stage.addressing for stage in schedule.waiting] == ["base", "alone", "one", "two", "last"]
    assert schedule.plan == ["base", "one", "two", "last", "alone"], "dvc.lock has the order of a plain repro"


def test_a_failure_holds_up_only_what_needs_it(project: Path) -> None:
    write(
        {
            "bad": stage("echo 'zfpipe: no such thing' >&2; exit 3", out="bad"),
            "worse": stage("exit 4", out="worse"),
            "after": stage("cat bad > after", "bad", out="after"),
            "later": stage("cat after > later", "after", out="later"),
            "good": stage("sleep 1; echo good > good", out="good"),
            "better": stage("cat good > better", "good", out="better"),
        }
    )
    status, out, err = ran("-j", "2")
    assert status == 1
    lines = err.splitlines()
    assert "zfpipe: bad failed: no such thing" in lines
    assert any(line.startswith("zfpipe: worse failed: failed to reproduce 'worse'") for line in lines)
    assert lines[-1] == "zfpipe: did not run for that: after, later"
    assert len(lines) == 3
    assert (project / "better").read_text() == "good\n"
    assert "Running stage 'after'" not in out
    locked = YAML(typ="safe").load(Path("dvc.lock").read_text())
    assert list(locked["stages"]) == ["good", "better"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_stops_what_runs(project: Path, number: signal.Signals) -> None:
    write({name: stage(f"echo $$ > {name}.pid; sleep 60; echo > {name}", out=name) for name in ("one", "two")})
    running = start("--jobs", "2")
    files = [project / f"{name}.pid" for name in ("one", "two")]
    limit = time.monotonic() + 30
    while not all(file.exists() and file.read_text().endswith("\n") for file in files):
        assert time.monotonic() < limit
        time.sleep(0.05)
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert err == "zfpipe: interrupted\n"
    assert not any(psutil.pid_exists(int(file.read_text())) for file in files)


def test_what_dvc_refuses_is_one_line(project: Path) -> None:
    write(TWINS)
    assert ran("--jobs", "0") == (1, "", "zfpipe: --jobs 0; must be a whole number from 1\n")
    status, out, err = ran("--jobs", "2", "nothing")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("zfpipe: ") and "nothing" in err


def test_each_stage_that_runs_has_a_gpu_of_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meet = {"one": MEET.format("one", "two"), "two": MEET.format("two", "one")}
    write({name: stage(f"{command} && echo $ZFPIPE_DEVICE > {name}", out=name) for name, command in meet.items()})
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert repro.run(repro.Schedule([]), 2, repro.gpus(2)) == []
    assert {(project / name).read_text() for name in meet} == {"cuda:0\n", "cuda:1\n"}
    assert repro.gpus(1) == 0
    monkeypatch.setenv("ZFPIPE_PROCESSES", "2")
    with pytest.raises(UserError, match="--jobs 2 gives each stage one GPU, ZFPIPE_PROCESSES several"):
        repro.gpus(2)
    monkeypatch.setenv("ZFPIPE_DEVICE", "cpu")
    assert repro.gpus(2) == 0
