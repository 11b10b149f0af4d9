"""The only module that imports numba. Numba reads these two settings on import or when the first kernel runs."""

import os
from pathlib import Path

os.environ.setdefault("NUMBA_THREADING_LAYER", "omp")  # the default aborts if two loaders run at once
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(".zfpipe/numba").absolute()))

import numba

__all__ = ["numba", "set_numba_threads"]


def set_numba_threads(count: int) -> None:
    """Set the number of threads for kernels that this thread runs from now on. FFCV sets 1 on import."""
    most: int = numba.config.NUMBA_NUM_THREADS  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    numba.set_num_threads(min(count, most))  # numba raises an error for more threads than it has
