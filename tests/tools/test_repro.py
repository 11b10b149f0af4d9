"""Test `zfpipe repro --jobs N` on toy pipelines: order, parallel stages, failures, interruptions, dvc.lock."""

import json
import os
import re
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

from tests.imports import ROOT, closure
from zfpipe.tools import jobs, repro
from zfpipe.tools.jobs import Room

MEET = "touch {0}.here; for i in $(seq 200); do test -e {1}.here && break; sleep 0.05; done; test -e {1}.here"
"""A command that can succeed only while another stage runs."""


def stage(command: str, *deps: str, out: str) -> dict[str, Any]:
    return {"cmd": command, "deps": list(deps), "outs": [out]}


TWINS = {
    "base": stage("cat source > base", "source", out="base"),
    "one": stage(f"{MEET.format('one', 'two')} && cat base > one", "base", out="one"),
    "two": stage(f"{MEET.format('two', 'one')} && cat base > two", "base", out="two"),
    "last": stage("cat one two > last", "one", "two", out="last"),
    "alone": stage("echo alone > alone", out="alone"),
}
"""`dvc repro` runs `last` and what `last` needs before `alone`. In parallel, `alone` is done long before `last`."""


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


def test_parallel_stages_give_dvcs_own_lock(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(TWINS)
    status, out, err = ran("--jobs", "3")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[-1] == "5 of 5 stages had changed"
    assert sorted(name for line in lines[:-1] if (name := line.removesuffix(": started")) != line) == sorted(TWINS)
    ended = [line for line in lines[:-1] if not line.endswith(": started")]
    for number, line in enumerate(ended, 1):
        assert re.fullmatch(
            rf"(base|one|two|last|alone): done in \d+ s \({number} of 5(, (about|at least) .* left)?\)", line
        )
    assert len(ended) == 5, "each stage must have two lines, and DVC none"
    assert ended.index(next(line for line in ended if line.startswith("base"))) < lines.index("one: started")
    assert json.loads(Path(".zfpipe/durations.json").read_text()).keys() == TWINS.keys()
    assert (project / "last").read_text() == "11"
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").unlink()
    dvc("repro", "-q", "--force", "--no-run-cache")
    assert (project / "dvc.lock").read_text() == lock
    yaml = YAML()
    left = yaml.load(lock)  # as a killed run leaves dvc.lock: in no order, and incomplete
    left["stages"].move_to_end("base")
    del left["stages"]["last"]
    yaml.dump(left, project / "dvc.lock")
    assert ran("--jobs", "3")[0] == 0
    assert (project / "dvc.lock").read_text() == lock

    def refuse(*_: Any) -> None:
        raise AssertionError("a stage that has not changed costs no process")

    with monkeypatch.context() as patch:
        patch.setattr(repro, "start", refuse)
        assert repro.run(repro.Schedule([]), Room(2, 2, 2)) == []
    write(TWINS | {"base": stage("cat source > base;", "source", out="base")})
    started = []
    actual = repro.start
    monkeypatch.setattr(repro, "start", lambda stage, *rest: started.append(stage.addressing) or actual(stage, *rest))
    assert repro.run(repro.Schedule(["last"]), Room(2, 2, 2)) == []
    assert started == ["base"], "the inputs of the other stages did not change"


def test_stages_that_need_little_go_first(project: Path) -> None:
    write(TWINS)
    schedule = repro.Schedule([])
    assert [stage.addressing for stage in schedule.waiting] == ["base", "alone", "one", "two", "last"]
    assert schedule.plan == ["base", "one", "two", "last", "alone"], "dvc.lock must have the order of a plain repro"


def test_a_failure_holds_up_only_stages_that_need_the_failed_stage(project: Path) -> None:
    write(
        {
            "bad": stage("echo 'zfpipe: no such thing' >&2; exit 3", out="bad"),
            "worse": stage("echo not the whole; echo it >&2; printf '\\033[1mbroke\\033[0m\\n'; exit 4", out="worse"),
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
    assert next(line for line in lines if "worse" in line).endswith("; everything it said: .zfpipe/logs/worse.log")
    assert lines[-1] == "zfpipe: did not run for that: after, later"
    assert len(lines) == 3
    assert (project / "better").read_text() == "good\n"
    said = out.splitlines()
    bad = next(number for number, line in enumerate(said) if line.startswith("bad: failed after "))
    assert re.fullmatch(r"bad: failed after \d+ s: no such thing \(\d of 6.*\)", said[bad])
    assert not said[bad + 1].startswith(" "), "the line of a user's mistake must be enough"
    worse = next(number for number, line in enumerate(said) if line.startswith("worse: failed after "))
    assert said[worse + 1 : worse + 4] == ["    not the whole", "    it", "    broke"]
    assert not said[worse + 4].startswith(" ")
    assert "after: started" not in said
    log = (project / ".zfpipe/logs/worse.log").read_text()
    assert "Running stage 'worse':\n" in log and "\nit\nbroke\n" in log
    assert json.loads(Path(".zfpipe/durations.json").read_text()).keys() == {"good", "better"}
    locked = YAML(typ="safe").load(Path("dvc.lock").read_text())
    assert list(locked["stages"]) == ["good", "better"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_stops_the_running_stages(project: Path, number: signal.Signals) -> None:
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


def test_a_refusal_of_dvc_is_one_line(project: Path) -> None:
    write(TWINS)
    for asked in ("0", "two"):
        assert ran("--jobs", asked) == (1, "", f"zfpipe: --jobs {asked}; must be auto or a whole number from 1\n")
    status, out, err = ran("--jobs", "2", "nothing")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("zfpipe: ") and "nothing" in err


def test_a_warning_of_dvc_is_passed_on_and_outs_come_from_its_cache(project: Path) -> None:
    write({"one": stage("touch one", "source", out="one"), "two": stage("echo WARNING: mine; echo > two", out="two")})
    _, out, _ = ran()
    assert {"one: WARNING: 'one' is empty.", "two: WARNING: mine"} <= set(out.splitlines())
    Path(".zfpipe/durations.json").write_text('{"one": 3600, "two": 3600}')
    Path("one").unlink()
    _, out, _ = ran("--jobs", "1")
    assert re.search(r"^one: taken from the cache in \d+ s \(2 of 2\)$", out, re.M)
    assert json.loads(Path(".zfpipe/durations.json").read_text())["one"] == 3600, (
        "a stage from the cache must not change the duration"
    )


def test_a_resumed_training_leaves_no_duration(project: Path) -> None:
    write({"one": stage("echo resumed after epoch 3 of 7; echo > one", out="one")})
    assert ran()[0] == 0
    assert not Path(".zfpipe/durations.json").exists()


def test_a_stage_has_a_terminal_if_the_run_has_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        {"one": stage("test -t 1 && test -t 2 && all=yes || all=no; echo $all > one; cat one; test ! -t 0", out="one")}
    )
    assert repro.run(repro.Schedule([]), Room(1, 1, 1)) == []
    assert Path("one").read_text() == "no\n"
    write(
        {"one": stage("test -t 1 && test -t 2 && all=yes || all=no; echo $all > one; cat one; test ! -t 0;", out="one")}
    )
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    capsys.readouterr()
    assert repro.run(repro.Schedule([]), Room(1, 1, 1)) == []
    assert Path("one").read_text() == "yes\n"
    assert "one: done in " in (shown := capsys.readouterr().out) and "one: started" not in shown
    log = Path(".zfpipe/logs/one.log").read_text()
    assert "\nyes\n" in log and "\x1b" not in log and "\r" not in log


def computing(command: str, out: str) -> dict[str, Any]:
    told = "$ZFPIPE_DEVICE $CUDA_VISIBLE_DEVICES $ZFPIPE_LAUNCH"
    return stage(f"{command} && echo {told} > {out}", "zfpipe/network", "zfpipe/reading", out=out)


@pytest.fixture
def network(project: Path) -> None:
    for name in ("network", "reading"):
        (project / "zfpipe" / name).mkdir(parents=True)
        (project / "zfpipe" / name / "layers.py").touch()


def test_the_stages_that_compute_are_those_that_open_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    computing = {name.partition("@")[0] for name in repro.computing(repro.Schedule([]))}
    device = {path.stem for path in ROOT.glob("stages/*.py") if "zfpipe/network/numerics.py" in closure(path)}
    assert computing == device


@pytest.mark.usefixtures("network")
def test_each_stage_that_computes_has_its_own_gpu(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third stage, which does not compute, runs beside both of them."""
    meet = "touch {0}.here; for i in $(seq 200); do test -e one.here -a -e two.here -a -e other.here && break; "
    meet += "sleep 0.05; done; test -e one.here -a -e two.here -a -e other.here"
    pipeline = {name: computing(meet.format(name), name) for name in ("one", "two")}
    write(
        pipeline
        | {"other": stage(f"{meet.format('other')} && echo $ZFPIPE_DEVICE > other", "zfpipe/network", out="other")}
    )
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(jobs, "by_default", lambda: 1)
    schedule = repro.Schedule([])
    assert repro.computing(schedule) == {"one", "two"}
    assert repro.run(schedule, jobs.room("auto", repro.computing(schedule))) == []
    assert {(project / name).read_text() for name in ("one", "two")} == {"cuda 0\n", "cuda 1\n"}
    assert (project / "other").read_text() == "cuda\n"


@pytest.mark.usefixtures("network")
def test_two_stages_never_share_a_gpu(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = "mkdir taken && sleep 1 && rmdir taken"
    write({name: computing(alone, name) for name in ("one", "two")})
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    schedule = repro.Schedule([])
    assert repro.run(schedule, jobs.room("2", repro.computing(schedule))) == []


@pytest.mark.usefixtures("network")
def test_only_stages_that_compute_are_sent_to_the_cluster(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"one": computing("true", "one"), "two": stage("echo local $ZFPIPE_LAUNCH > two", out="two")})
    monkeypatch.setenv("ZFPIPE_LAUNCH", "env --")
    assert ran()[0] == 0
    assert Path("one").read_text().strip() == "env --"
    assert Path("two").read_text() == "local\n"
    monkeypatch.setenv("ZFPIPE_LAUNCH", "surely-no-program --gpus=1")
    Path("zfpipe/network/layers.py").write_text("1")
    status, out, err = ran()
    assert (status, out) == (1, "")
    assert err.startswith("zfpipe: ZFPIPE_LAUNCH = surely-no-program --gpus=1; no program surely-no-program here")
