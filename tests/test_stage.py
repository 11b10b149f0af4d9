"""What ends a stage is one line, whatever it is that a user can do something about."""

import sys

import pytest
import torch

from zfpipe import stage


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
    error: RuntimeError, line: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["stages/one.py"])

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        stage.run(main)
    assert str(end.value.code).startswith(f"zfpipe: {line}")
    assert "\n" not in str(end.value.code)


def test_a_mistake_of_ours_keeps_its_traceback(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["stages/one.py"])

    def main() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        stage.run(main)
