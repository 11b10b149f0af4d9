"""Test how a GPU computes, by torch's switches. CUDA is pretended, since tests run without a GPU."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from zfpipe.errors import UserError
from zfpipe.network import numerics


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Pretend a machine with one GPU, and restore torch's switches afterwards."""
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.delenv("ZFPIPE_TF32", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("init", "set_device"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    yield monkeypatch
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before


def switches() -> tuple[bool, bool]:
    return bool(torch.backends.cudnn.allow_tf32), bool(torch.backends.cuda.matmul.allow_tf32)


def test_float32_is_float32_unless_asked_otherwise(gpu: pytest.MonkeyPatch) -> None:
    """Torch's own default is TF32 in convolutions and float32 in matrix products."""
    torch.backends.cudnn.allow_tf32 = True
    numerics.device()
    assert switches() == (False, False)
    gpu.setenv("ZFPIPE_TF32", "1")
    numerics.device()
    assert switches() == (True, True)
    gpu.setenv("ZFPIPE_TF32", "yes")
    with pytest.raises(UserError, match="ZFPIPE_TF32 = yes; must be 0 or 1"):
        numerics.device()


def test_only_training_tries_algorithms(gpu: pytest.MonkeyPatch) -> None:
    """Stages that measure have batches of many sizes, and torch would try algorithms for each size."""
    torch.backends.cudnn.benchmark = False
    numerics.device()
    assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.deterministic
    numerics.tune()
    assert torch.backends.cudnn.benchmark
