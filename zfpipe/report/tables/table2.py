"""Table 2: errors of single networks and of several together."""

from collections.abc import Mapping
from pathlib import Path

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.report.numbers import errors
from zfpipe.report.numbers.published import TABLE2

FOLDER = paths.METRICS


def build(folder: Path, runs: Mapping[str, Run]) -> errors.PaperTable:
    """Table 2 from the metrics in `folder`."""
    return errors.build(TABLE2, folder, runs)
