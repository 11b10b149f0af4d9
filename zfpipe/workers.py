"""How many processes or threads prepare images: outside params.yaml, because it never changes a result."""

import os

from zfpipe.errors import UserError


def worker_count(asked: int | None = None) -> int:
    """`asked`, or the environment variable ZFPIPE_WORKERS, or all cores; never more than there are cores.

    Processes that torchrun starts on one machine share its cores.
    """
    cores = share_of_cores(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if asked is None:
        text = os.environ.get("ZFPIPE_WORKERS", str(cores))
        if not text.isdigit() or int(text) < 1:
            raise UserError(f"ZFPIPE_WORKERS = {text}; must be a whole number from 1")
        asked = int(text)
    return min(asked, cores)


def share_of_cores(processes: int) -> int:
    """How many cores each of some processes has, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // processes)


def loader_threads(asked: int | None = None) -> int:
    """As `worker_count`, but by default one where the network runs on the CPU.

    One keeps far ahead of such a network; with two, an epoch of the default run takes a quarter longer.
    """
    if asked is None and "ZFPIPE_WORKERS" not in os.environ and os.environ.get("ZFPIPE_DEVICE", "cpu") == "cpu":
        return 1
    return worker_count(asked)
