"""Test changes of code or parameters while a stage runs: one line, nothing recorded, training state kept."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe import guard

SCRIPT = """
import pathlib, time
from zfpipe import stage
from zfpipe.reading import crops

def main():
    pathlib.Path("running").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    pathlib.Path("out").write_text(str(crops.TEN))
    return lambda: pathlib.Path("settled").touch()

if __name__ == "__main__":
    stage.run(main)
"""
PIPELINE = {
    "count": {
        "cmd": "python -m stages.count",
        "deps": ["stages/count.py", "zfpipe/reading"],
        "params": ["training", "runs.zfnet"],
        "outs": ["out"],
    }
}
CHANGES = {
    "a module": ("zfpipe/reading/crops.py", "TEN = 10", "TEN = 11"),
    "the script": ("stages/count.py", "str(crops.TEN)", "str(crops.TEN + 1)"),
    "a parameter": ("params.yaml", "learning_rate: 0.005 ", "learning_rate: 0.006 "),
    "the stage's run": ("params.yaml", "snapshots: [1, 2,", "snapshots: [2,"),
}
OTHERS = [
    ("zfpipe/deconvnet/windows.py", "import", "import "),
    ("params.yaml", "percentile: 99.0 ", "percentile: 98.0 "),
    ("params.yaml", "zfnet-seed1: {base: model, seed: 1}", "zfnet-seed1: {base: model, seed: 9}"),
    ("params.yaml", "# The parameters", "# what the paper"),
    ("zfpipe/errors.py", "The only exception", "One exception"),
    ("zfpipe/reading/.crops.py.swp", "an editor's", ""),
]
"""Changes of what the stage does not use.

They are a module, another stage's parameter, another run, a comment, plumbing, and an editor's file.
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the code with one small stage."""
    for name in list(os.environ):
        if name.startswith(("DVC_", "ZFPIPE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    listed = subprocess.check_output(["git", "ls-files", "zfpipe", "params.yaml"], cwd=ROOT, text=True).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes((ROOT / name).read_bytes())
    Path("zfpipe/reading/.crops.py.swp").write_text("an editor's")
    Path("stages").mkdir()
    Path("stages/__init__.py").touch()
    Path("stages/count.py").write_text(SCRIPT)
    with Path("dvc.yaml").open("w") as file:
        YAML().dump({"stages": PIPELINE}, file)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    return tmp_path


def ran_while(*changes: tuple[str, str, str]) -> subprocess.CompletedProcess[str]:
    """Return the result of `dvc repro` with files edited while its stage ran."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    limit = time.monotonic() + 60
    while not Path("running").exists():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    for name, old, new in changes:
        text = Path(name).read_text()
        assert old in text
        Path(name).write_text(text.replace(old, new, 1))
    Path("go").touch()
    output, _ = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, output)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_during_a_stage_is_named_and_nothing_is_recorded(project: Path, change: tuple[str, str, str]) -> None:
    done = ran_while(change)
    assert done.returncode != 0, done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("zfpipe: ")]
    assert line.startswith(f"zfpipe: {change[0]}") and "changed while this ran, so nothing is recorded" in line
    assert "Traceback" not in done.stdout
    assert not Path("dvc.lock").exists()
    assert not Path("settled").exists(), "the state from which another run would continue is gone"


def test_files_and_parameters_that_the_stage_does_not_use_may_change(project: Path) -> None:
    done = ran_while(*OTHERS)
    assert done.returncode == 0, done.stdout
    assert Path("dvc.lock").exists() and Path("settled").exists()


def test_a_stage_runs_again_and_is_recorded_after_the_change_is_undone(project: Path) -> None:
    name, old, new = CHANGES["a module"]
    assert ran_while((name, old, new)).returncode != 0
    Path("running").unlink()
    Path("go").unlink()
    Path(name).write_text(Path(name).read_text().replace(new, old))
    done = ran_while(("params.yaml", "# The parameters", "# what the paper"))
    assert done.returncode == 0, done.stdout
    assert Path("out").read_text() == "10"


def test_every_file_in_use_is_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are read but not imported are guarded too, and changes while the process starts.

    Times in the future don't count as changes.
    """
    monkeypatch.chdir(tmp_path)
    used, style, idle = (tmp_path / name for name in ("used.py", "style.css", "idle.py"))
    for path in (used, style, idle):
        path.write_text("before")
    monkeypatch.setattr(guard, "code", lambda: iter((used, style, idle)))
    monkeypatch.setattr(guard, "STARTED", time.time() + 60)
    module = ModuleType("used")
    module.__file__ = str(used)
    monkeypatch.setitem(sys.modules, "used", module)
    kept = guard.Guard()
    idle.write_text("after")
    assert kept.changed() is None
    for path in (used, style):
        path.write_text("after")
        assert kept.changed() == path.name
        path.unlink()
        assert kept.changed() == path.name
        path.write_text("before")
        assert kept.changed() is None
    monkeypatch.setattr(guard, "STARTED", 0.0)
    assert guard.Guard().changed() == "used.py"
    for path in (used, style):
        os.utime(path, (time.time() + 3600, time.time() + 3600))
    assert guard.Guard().changed() is None
