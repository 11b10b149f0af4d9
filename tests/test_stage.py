"""Test that a stage ends with one line for every error that a user can do something about."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from tests.imports import ROOT
from tests.test_dag import STAGES
from zfpipe import stage
from zfpipe.errors import UserError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore"), "the GPU's memory is full"),
        (
            RuntimeError("CUDA error: an illegal memory access\nCUDA kernel errors"),
            "the GPU failed: CUDA error",
        ),
        (RuntimeError("Found no NVIDIA driver on your system."), "the GPU failed: Found no NVIDIA driver"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "the GPU failed: cuDNN error"),
    ],
)
def test_an_error_of_the_gpu_is_one_line(
    error: RuntimeError, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/one.py"])

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        stage.run(main)
    assert str(end.value.code).startswith(f"zfpipe: {line}")
    assert "\n" not in str(end.value.code)


def test_an_error_of_the_program_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/one.py"])

    def main() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        stage.run(main)


def test_a_stage_runs_once_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/train.py", "zfnet"])
    with stage.alone(tmp_path):
        with pytest.raises(UserError, match="another process runs train-zfnet here; wait until"), stage.alone(tmp_path):
            pass
        monkeypatch.setattr(sys, "argv", ["stages/train.py", "alexnet"])
        with stage.alone(tmp_path):
            pass
        monkeypatch.setattr(sys, "argv", ["stages/train.py", "zfnet"])
        monkeypatch.setenv("RANK", "1")
        with stage.alone(tmp_path):
            pass
        monkeypatch.delenv("RANK")
    with stage.alone(tmp_path):
        pass


def refused(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the message with which a stage's script, started in a folder, ends the process."""
    name, *arguments = words.split()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / f"stages/{name}.py"), run_name="__main__")
    return str(end.value.code)


@pytest.mark.parametrize("words", [f"{name} {words[0]}".strip() for name, (_, words) in STAGES.items()])
def test_every_stage_refuses_a_bad_parameter_in_one_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "params.yaml").read_text()
    assert "  stride: 2\n" in text
    (tmp_path / "params.yaml").write_text(text.replace("  stride: 2\n", "  stride: 0\n", 1))
    found = refused(words, tmp_path, monkeypatch)
    assert found == "zfpipe: params.yaml: model.stride = 0; must be a whole number from 1 to 4"


@pytest.mark.parametrize("words", ["train zfnet", "shapes"])
def test_an_impossible_network_is_one_line(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  size: 96 ", "  size: 16 ", 1))
    (tmp_path / "data/betons").mkdir(parents=True)
    known = {"sha256": "", "bytes": 0, "count": 1, "rejected": 0, "classes": ["a"], "resize": 110, "write_mode": "raw"}
    (tmp_path / "data/betons/val.json").write_text(json.dumps(known))
    found = refused(words, tmp_path, monkeypatch)
    assert found.startswith("zfpipe: params.yaml: model is a network for 16x16 crops; layer 2's maps shrink to nothing")
    assert "\n" not in found
