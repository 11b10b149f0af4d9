"""Table 4: Caltech-101, by features of the pretrained network and by the same network trained on it alone."""

from collections.abc import Mapping
from pathlib import Path

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.report.numbers import accuracy
from zfpipe.report.numbers.errors import PaperTable
from zfpipe.report.numbers.published import TABLE4

FOLDER = paths.TRANSFER / "caltech101"


def build(folder: Path, runs: Mapping[str, Run]) -> PaperTable:
    """Table 4 from accuracy.csv and scratch.csv in the folder; no run matters but zfnet's."""
    return accuracy.build(TABLE4, folder)
