"""Table 6: average precision on PASCAL VOC 2012, by a softmax on the pretrained network's features."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from zfpipe import paths
from zfpipe.params import Run
from zfpipe.report.numbers.errors import RAN, UNAVAILABLE, Cells, PaperTable, key
from zfpipe.report.numbers.measured import present
from zfpipe.report.numbers.published import TABLE6, Printed, text

FOLDER = paths.TRANSFER / "voc2012"
NAMES = {"airplane": "aeroplane", "table": "diningtable", "plant": "pottedplant", "tv": "tvmonitor"}
"""What VOC calls the paper's rows, where it differs."""


def build(folder: Path, runs: Mapping[str, Run]) -> PaperTable:
    """Table 6 from precision.csv in the folder: the paper's rows, then the classes that it has not."""
    ours = read(folder)
    found = [line(row.name, row.values, ours.get(voc(row.name))) for row in TABLE6.rows]
    published = {voc(row.name) for row in TABLE6.rows}
    found += [line(name, (None,) * 3, value) for name, value in ours.items() if name not in published]
    return PaperTable(TABLE6, found, notes(folder))


def read(folder: Path) -> dict[str, float]:
    """Average precision by class in %, and its mean; of VOC's own classes all or, on another set, none."""
    table = pd.read_csv(present(folder / "precision.csv", "transfer@voc2012"))
    ours = dict(zip(table["class"], 100 * table["average_precision"], strict=True))
    theirs = {voc(row.name) for row in TABLE6.rows} - {"mean"}
    if set(ours) != theirs:  # another set, whose aeroplanes are not VOC's
        ours = {f"{name} (ours)": value for name, value in ours.items()}
    mean = "mean" if set(ours) == theirs else "mean (ours)"
    return {**ours, mean: sum(ours.values()) / len(ours)}


def voc(name: str) -> str:
    """A row's class as VOC calls it."""
    return NAMES.get(name.lower(), name.lower())


def line(name: str, values: tuple[Printed, ...], ours: float | None) -> Cells:
    """A row's cells; the published ones of all three, ours beside the paper's."""
    cells: Cells = {"row": name, "run": "zfnet" if ours is not None else "", "status": RAN}
    last = TABLE6.columns[-1]
    for column, printed in zip(TABLE6.columns, values, strict=True):
        cells[f"published_{key(column)}"] = "" if printed is None else text(printed, TABLE6.decimals)
    cells[f"ours_{key(last)}"] = UNAVAILABLE if ours is None else f"{ours:.1f}"
    printed = values[-1]
    assert not isinstance(printed, tuple)
    cells[f"difference_{key(last)}"] = "" if ours is None or printed is None else f"{round(ours, 1) - printed:+.1f}"
    return cells


def notes(folder: Path) -> list[str]:
    """What a reader has to know to compare."""
    table = pd.read_csv(present(folder / "precision.csv", "transfer@voc2012"))
    found = [
        "Average precision in %, as VOC defines it since 2010: the area under the monotone envelope of precision "
        f"against recall. Ours: on {int(table['test_images'].iloc[0]):,} validation images, trained on the training "
        "images; the labels of VOC's test images, on which the published numbers are, were never released.",
    ]
    if "mean" not in read(folder):
        found.append(
            "Ours: scenes that zfpipe draws, of classes that pre-training never saw; their classes are not VOC's, and "
            "stand below. Set targets.voc2012.root to VOC 2012 for the rows above."
        )
    return found
