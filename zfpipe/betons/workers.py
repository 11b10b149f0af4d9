"""How many processes or threads prepare images: outside params.yaml, because it never changes a result."""

import os

from zfpipe.errors import UserError


def worker_count(asked: int | None = None) -> int:
    """`asked`, or the environment variable ZFPIPE_WORKERS, or all cores; never more than there are cores."""
    cores = len(os.sched_getaffinity(0))
    if asked is None:
        text = os.environ.get("ZFPIPE_WORKERS", str(cores))
        if not text.isdigit() or int(text) < 1:
            raise UserError(f"ZFPIPE_WORKERS = {text}; must be a whole number from 1")
        asked = int(text)
    return min(asked, cores)
