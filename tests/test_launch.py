"""Test ZFPIPE_LAUNCH: a stage sends its own command to a cluster, here through scripts that stand for its launcher."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.imports import ROOT

STAGE = """
import os, sys, time
from pathlib import Path
from zfpipe import stage
from zfpipe.errors import UserError

def main():
    Path("ran").write_text(f"{sys.argv[1:]} {'ZFPIPE_LAUNCH' in os.environ}")
    print("working", flush=True)
    if sys.argv[1] == "long":
        time.sleep(60)
    if sys.argv[1] == "bad":
        raise UserError("params.yaml: model.stride = 9; must be 1 to 4")
    if sys.argv[1] == "crash":
        raise ValueError("broken")
    os.environ.pop("PYTHONPATH")

if __name__ == "__main__":
    stage.run(main)
"""
SHARED = """
import os
from pathlib import Path
from zfpipe.processes import distributed

def main():
    Path(f"ran{distributed.part()}").touch()

if __name__ == "__main__":
    distributed.run(main)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a stage `toy`, and two launchers that record their words.

    The launcher `become` turns into the stage, and the launcher `wait` waits for the stage.
    """
    for name in os.environ:
        if name.startswith("ZFPIPE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").touch()
    (tmp_path / "stages/toy.py").write_text(STAGE)
    (tmp_path / "stages/shared.py").write_text(SHARED)
    record = 'echo "$@" >> sent; while test "${1#--}" != "$1"; do shift; done; '
    for name, last in (("become", 'exec "$@"'), ("wait", '"$@"; exit $?')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{record}{last}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def start(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ran(*words: str) -> tuple[int, str, str]:
    process = start(*words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def working(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"


@pytest.mark.parametrize("launcher", ["./become", "./wait"])
def test_the_launcher_runs_the_stage(project: Path, monkeypatch: pytest.MonkeyPatch, launcher: str) -> None:
    monkeypatch.setenv("ZFPIPE_LAUNCH", f"{launcher} --gpus=1 '--comment=two words'")
    status, out, err = ran("stages.toy", "good")
    assert (status, err) == (0, "")
    assert out.startswith("working\ndone in ")
    assert Path("sent").read_text() == f"--gpus=1 --comment=two words {sys.executable} -m stages.toy good\n"
    assert Path("ran").read_text() == "['good'] False"


@pytest.mark.parametrize("launcher", ["./become", "./wait"])
def test_the_status_of_the_launched_stage_is_returned(
    project: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.setenv("ZFPIPE_LAUNCH", launcher)
    assert ran("stages.toy", "bad")[::2] == (1, "zfpipe: params.yaml: model.stride = 9; must be 1 to 4\n")
    status, _, err = ran("stages.toy", "crash")
    assert status == 1
    assert err.count("Traceback") == 1 and err.endswith("ValueError: broken\n")


def test_a_stage_runs_in_one_process_at_a_time(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process is refused even while the launcher is dead and the stage alive, as on a lost node."""
    monkeypatch.setenv("ZFPIPE_LAUNCH", "./wait")
    running = start("stages.toy", "long")
    working(running)
    refused = (1, "zfpipe: another process runs toy-long here; wait until it has ended, or stop it\n")
    assert ran("stages.toy", "long")[::2] == refused
    running.kill()
    assert running.wait() == -signal.SIGKILL, "a shell would report 137"
    assert ran("stages.toy", "long")[::2] == refused
    os.killpg(running.pid, signal.SIGKILL)
    limit = time.monotonic() + 30
    while ran("stages.toy", "bad")[2] != "zfpipe: params.yaml: model.stride = 9; must be 1 to 4\n":
        assert time.monotonic() < limit
    assert len(Path("sent").read_text().splitlines()) == 2, "a refused process was sent"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_launched_stage_ends_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("ZFPIPE_LAUNCH", "./become")
    running = start("stages.toy", "long")
    working(running)
    running.send_signal(number)
    running.communicate(timeout=30)
    assert running.returncode == -number


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        (
            "srun '--comment",
            "ZFPIPE_LAUNCH = srun '--comment; must be a command such as srun --gpus=1: No closing quotation",
        ),
        (
            "surely-no-program --x",
            "ZFPIPE_LAUNCH = surely-no-program --x; no program surely-no-program here; give one, ",
        ),
    ],
)
def test_a_bad_launcher_is_refused_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, line: str
) -> None:
    monkeypatch.setenv("ZFPIPE_LAUNCH", prefix)
    status, out, err = ran("stages.toy", "good")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"zfpipe: {line}")
    assert not Path("ran").exists()


def test_an_empty_launcher_is_ignored(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_LAUNCH", "")
    assert ran("stages.toy", "good")[0] == 0
    assert not Path("sent").exists()


def test_torchrun_starts_its_processes_behind_the_launcher(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_LAUNCH", "./become --gpus=2")
    monkeypatch.setenv("ZFPIPE_PROCESSES", "2")
    assert ran("stages.shared", "net")[0] == 0
    assert len(Path("sent").read_text().splitlines()) == 1
    assert sorted(path.name for path in project.glob("ran*")) == ["ran(0, 2)", "ran(1, 2)"]
    Path("sent").unlink()
    monkeypatch.setenv("RANK", "0")
    assert ran("stages.toy", "good")[0] == 0
    assert not Path("sent").exists(), "a process of a user's own torchrun was sent to the launcher"


def test_a_users_own_torchrun_joins_machines(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the stage as the guide does by `srun` on two machines, here twice on this one, with one process each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=7", "--local-addr=127.0.0.1"]
    monkeypatch.setenv("ZFPIPE_LAUNCH", "./become")  # the launcher is for stages that DVC starts
    machines = [start("torch.distributed.run", "--nnodes=2", *place, "-m", "stages.shared", "net") for _ in range(2)]
    said = [machine.communicate(timeout=120) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert sorted(path.name for path in project.glob("ran*")) == ["ran(0, 2)", "ran(1, 2)"]
    assert not Path("sent").exists()
    assert sum(out.count("done in ") for out, _ in said) == 1, "not only the first process logs"
