"""Device, threads and precision: what determines the last bits of a result besides the network.

Policy: a CPU computes the same bytes from the same parameters, code and images with the same ZFPIPE_THREADS. A GPU
computes the same numbers only up to rounding, even from run to run: some kernels add in no fixed order, and no setting
fixes all of them. So torch may use its fastest algorithms, and training lets cuDNN find the fastest. Products of
float32 stay float32 on a GPU too, unless ZFPIPE_TF32 is 1.
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
    """Return the device that ZFPIPE_DEVICE names, and set torch up for the device by the policy of this module.

    If torchrun started several processes, `cuda` gives each process the GPU of its local rank. Raises UserError if
    there is no such GPU.
    """
    kind, number = asked()
    if kind == "cuda":
        return gpu(number)
    if "RANK" not in os.environ:  # processes of torchrun share the cores; torchrun's setting stays
        torch.set_num_threads(compute_threads())
    if sys.platform == "linux":
        keep_freed_memory()
    return torch.device(kind)


def gpu(number: int | None) -> torch.device:
    """Set up the GPU of this number, or of this process. Return the device. Raises UserError if CUDA fails."""
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
    except RuntimeError as error:  # for example, the driver is too old
        words = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(f"ZFPIPE_DEVICE = {name}; CUDA can't be used: {words}; update the driver, or use cpu") from None
    torch.cuda.set_device(place)  # FFCV and NCCL use the current device
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = fast
    return torch.device("cuda", place)


def tf32() -> bool:
    """Return True if a GPU multiplies float32 as TF32: 10 of 23 mantissa bits, several times faster, float32 sums.

    The environment variable ZFPIPE_TF32 decides for all that a stage computes on a GPU. The default is no.
    """
    text = os.environ.get("ZFPIPE_TF32", "0")
    if text not in ("0", "1"):
        raise UserError(f"ZFPIPE_TF32 = {text}; must be 0 or 1")
    return text == "1"


def tune() -> None:
    """Let cuDNN measure its algorithms for each batch size. This pays in training: most batches are equal."""
    torch.backends.cudnn.benchmark = True


def keep_freed_memory() -> None:
    """Let glibc keep and reuse the memory of large tensors, instead of returning it to the system at each step."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_KEPT)


def compute_threads() -> int:
    """Return ZFPIPE_THREADS, the number of torch's threads on a CPU, by default 2.

    The last bits of a result depend on this number, so the default does not depend on the number of cores.
    """
    text = os.environ.get("ZFPIPE_THREADS", "2")
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"ZFPIPE_THREADS = {text}; must be a whole number from 1")
    return int(text)
