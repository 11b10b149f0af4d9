"""The one place that imports numba, which reads these two settings when it is imported or first runs a kernel."""

import os
from pathlib import Path

os.environ.setdefault("NUMBA_THREADING_LAYER", "omp")  # the default aborts where two loaders run at once
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(".zfpipe/numba").absolute()))

import numba

__all__ = ["numba", "set_numba_threads"]


def set_numba_threads(count: int) -> None:
    """For the kernels that this thread runs from now on; FFCV sets 1 when it is imported."""
    most: int = numba.config.NUMBA_NUM_THREADS  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    numba.set_num_threads(min(count, most))  # more raises
