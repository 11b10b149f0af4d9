"""Table 3: what removing and resizing layers does to the errors."""

from collections.abc import Mapping
from pathlib import Path

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.report.numbers import errors
from zfpipe.report.numbers.published import TABLE3

FOLDER = paths.METRICS


def build(folder: Path, runs: Mapping[str, Run]) -> errors.PaperTable:
    """Table 3 from the metrics in `folder`."""
    return errors.build(TABLE3, folder, runs)
