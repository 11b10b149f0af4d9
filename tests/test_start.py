"""Test that stages that compute nothing with a network start without torch, which takes seconds to import."""

import subprocess
import sys

from tests.imports import ROOT

WITHOUT = (
    *("watch", "pictures", "target", "overlap", "pretrained", "transfer", "features", "ensembles"),
    *("figure", "table", "report"),
)
DRAWING = sorted(
    f"zfpipe.report.{path.parent.name}.{path.stem}"
    for folder in ("figures", "tables")
    for path in (ROOT / "zfpipe/report" / folder).glob("*.py")
    if path.stem != "__init__"
)
SCRIPT = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    if {"torch", "ffcv"} & sys.modules.keys():
        sys.exit(module)
"""


def first_with_torch(*modules: str) -> str:
    """Return the first of some modules that imports torch or FFCV, or "" if none does."""
    command = [sys.executable, "-c", SCRIPT, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.stderr.strip()


def test_these_stages_import_no_torch() -> None:
    assert first_with_torch(*(f"stages.{name}" for name in WITHOUT), *DRAWING) == ""


def test_the_commands_import_no_torch() -> None:
    assert first_with_torch("zfpipe.__main__", "zfpipe.tools.repro") == ""


def test_a_stage_that_imports_torch_is_named() -> None:
    assert first_with_torch("stages.ensembles", "stages.shapes") == "stages.shapes"


def test_outside_the_environment_a_stage_says_so_in_one_line() -> None:
    """`.venv/bin/dvc repro` runs the stages with the first Python on the path."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "stages.pictures"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"zfpipe: {sys.executable} has none of the packages; activate the environment: . .venv/bin/activate"
    ]
