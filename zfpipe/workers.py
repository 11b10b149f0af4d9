"""The number of processes or threads that prepare images. Not in params.yaml, because results do not depend on it."""

import os

from zfpipe.errors import UserError


def worker_count(asked: int | None = None) -> int:
    """Return `asked`, or else ZFPIPE_WORKERS, or else the number of cores; at most the number of cores.

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
    """Return the number of cores for each of several processes, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // processes)


def loader_threads(asked: int | None = None) -> int:
    """Return `worker_count`, but by default one thread if the network runs on a CPU.

    One thread is fast enough for the network. With two, an epoch of the default run takes a quarter longer.
    """
    if asked is None and "ZFPIPE_WORKERS" not in os.environ and os.environ.get("ZFPIPE_DEVICE", "cpu") == "cpu":
        return 1
    return worker_count(asked)
