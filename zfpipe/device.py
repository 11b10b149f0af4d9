"""Where tensors are computed: outside params.yaml, because it should not change a result."""

import ctypes
import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from zfpipe.errors import UserError

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_KEPT = 1 << 30


def device() -> torch.device:
    """The device named by the environment variable ZFPIPE_DEVICE: `cpu` (default), `cuda` or `cuda:N`.

    Of processes that torchrun starts together, `cuda` gives each the GPU of its number on the machine.
    """
    name = os.environ.get("ZFPIPE_DEVICE", "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise UserError(f"ZFPIPE_DEVICE = {name}; must be cpu, cuda or cuda:N")
    if kind == "cuda":
        together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if number and together > 1:
            raise UserError(f"ZFPIPE_DEVICE = {name} names one GPU for {together} processes; use cuda")
        place = int(number or os.environ.get("LOCAL_RANK", "0"))
        count = torch.cuda.device_count()
        if place >= count:
            needed = f" for {together} processes" if together > 1 else ""
            raise UserError(f"ZFPIPE_DEVICE = {name}{needed}; this machine has {count} CUDA devices; use cpu")
        torch.cuda.set_device(place)  # FFCV and NCCL take the current one
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False  # of float32 it would keep ten bits
        return torch.device(kind, place)
    if sys.platform == "linux":
        keep_freed_memory()
    return torch.device(name)


def compiles(device: torch.device) -> bool:
    """Whether training compiles the network: on a GPU, unless the environment variable ZFPIPE_COMPILE says otherwise.

    On a processor it takes longer than it gains.
    """
    text = os.environ.get("ZFPIPE_COMPILE", str(int(device.type == "cuda")))
    if text not in ("0", "1"):
        raise UserError(f"ZFPIPE_COMPILE = {text}; must be 0 or 1")
    return text == "1"


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device: a GPU copies it in its own time, from memory that stays in place until it has."""
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def fetched(tensor: Tensor) -> Callable[[], Tensor]:
    """Begins to copy a tensor from its device; the call that comes back waits for that alone, not for later work."""
    if tensor.device.type == "cpu":
        return lambda: tensor
    copy, done = tensor.to("cpu", non_blocking=True), torch.cuda.Event()
    done.record()

    def wait() -> Tensor:
        done.synchronize()
        return copy

    return wait


def keep_freed_memory() -> None:
    """Lets glibc reuse the memory of large tensors, which it otherwise returns and faults in again at each step."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_KEPT)
