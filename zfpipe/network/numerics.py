"""What decides, beside the network itself, the last bits of what is computed: device, threads, precision.

The policy: a processor computes the same bytes from the same parameters, code and images, with one ZFPIPE_THREADS. A
GPU computes the same numbers up to rounding, from run to run as well. Some of its kernels add in no fixed order, and no
setting makes all of them fixed. So nothing is paid for fixed ones: torch is left its fastest algorithms, and training
has cuDNN try which they are. Products of float32 are products of float32 on a GPU too, unless ZFPIPE_TF32 is 1.
"""

import ctypes
import os
import sys

import torch

from zfpipe.device import asked
from zfpipe.errors import UserError

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_KEPT = 1 << 30


def device() -> torch.device:
    """Return the device that ZFPIPE_DEVICE names and make torch compute on it by the policy of this module.

    Of processes that torchrun starts together, `cuda` gives each the GPU of its number on the machine. Raises UserError
    where there is no such GPU.
    """
    kind, number = asked()
    if kind == "cuda":
        return gpu(number)
    if "RANK" not in os.environ:  # processes that share the work share the cores too
        torch.set_num_threads(compute_threads())
    if sys.platform == "linux":
        keep_freed_memory()
    return torch.device(kind)


def gpu(number: int | None) -> torch.device:
    """The GPU of this number, of this process or the first."""
    fast = tf32()
    name, together = os.environ["ZFPIPE_DEVICE"], int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if number is not None and together > 1:
        raise UserError(f"ZFPIPE_DEVICE = {name} names one GPU for {together} processes; use cuda")
    place = int(os.environ.get("LOCAL_RANK", "0")) if number is None else number
    count = torch.cuda.device_count()
    if place >= count:
        needed = f" for {together} processes" if together > 1 else ""
        raise UserError(f"ZFPIPE_DEVICE = {name}{needed}; this machine has {count} CUDA devices; use cpu")
    try:
        torch.cuda.init()
    except RuntimeError as error:  # a driver that is too old, most of all
        words = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(f"ZFPIPE_DEVICE = {name}; CUDA can't be used: {words}; renew the driver, or use cpu") from None
    torch.cuda.set_device(place)  # FFCV and NCCL take the current one
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = fast
    return torch.device("cuda", place)


def tf32() -> bool:
    """Whether a GPU multiplies float32 as TF32, which keeps ten bits of 23 and is several times as fast; adds it whole.

    So the environment variable ZFPIPE_TF32 says, for all that a stage computes on a GPU; by default not.
    """
    text = os.environ.get("ZFPIPE_TF32", "0")
    if text not in ("0", "1"):
        raise UserError(f"ZFPIPE_TF32 = {text}; must be 0 or 1")
    return text == "1"


def tune() -> None:
    """Have cuDNN try its algorithms for each size of batch: worth it in training, where almost all have one size."""
    torch.backends.cudnn.benchmark = True


def keep_freed_memory() -> None:
    """Lets glibc reuse the memory of large tensors, which it otherwise returns and faults in again at each step."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_KEPT)


def compute_threads() -> int:
    """Return ZFPIPE_THREADS, the threads that torch computes with on a processor, or 2.

    The last bits of a result depend on this number, so it does not follow the number of cores.
    """
    text = os.environ.get("ZFPIPE_THREADS", "2")
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"ZFPIPE_THREADS = {text}; must be a whole number from 1")
    return int(text)
