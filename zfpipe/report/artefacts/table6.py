"""Table 6: average precision on PASCAL VOC 2012, by a softmax on the pretrained network's features."""

import numpy as np

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap
from zfpipe.report.engine import transfer
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, below
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.tables import Filled, Line, Row, Runs, Table

ARTEFACT = Artefact(
    name="Table 6",
    section="5.2",
    title="Transfer to PASCAL VOC 2012",
    caption="Scenes with several objects: average precision of a new softmax on the pretrained network's features, "
    "class by class.",
    paper="Images of single objects and scenes differ, yet the mean is within 3.2 points of the best published, and "
    "five classes are better.",
    folder=paths.TRANSFER / "voc2012",
    made_by=("table@6", "transfer@voc2012", "harvest@voc2012, train@zfnet"),
    parameters=("runs.zfnet", "targets.voc2012", "transfer", "crops.size"),
    results={"precision.csv": "every class"},
)
BEST, CONVNET, MEAN = "[B] (Yan et al., 2012)", "The paper's convnet", "Mean"
PRINTED = {
    "Airplane": (92.0, 97.3, 96.0), "Bicycle": (74.2, 84.2, 77.1), "Bird": (73.0, 80.8, 88.4),
    "Boat": (77.5, 85.3, 85.5), "Bottle": (54.3, 60.8, 55.8), "Bus": (85.2, 89.9, 85.8),
    "Car": (81.9, 86.8, 78.6), "Cat": (76.4, 89.3, 91.2), "Chair": (65.2, 75.4, 65.0),
    "Cow": (63.2, 77.8, 74.4), "Table": (63.2, 77.8, 67.7), "Dog": (68.9, 83.0, 87.8),
    "Horse": (78.2, 87.5, 86.0), "Motorbike": (81.0, 90.1, 85.1), "Person": (91.6, 95.0, 90.9),
    "Plant": (55.9, 57.8, 52.2), "Sheep": (69.4, 79.2, 83.6), "Sofa": (65.4, 73.4, 61.1),
    "Train": (86.7, 94.5, 91.8), "TV": (77.4, 80.7, 76.1), MEAN: (74.3, 82.2, 79.0),
}  # fmt: skip
ROWS = tuple(Row(name, values) for name, values in PRINTED.items())
TABLE = Table("Average precision %", 1, ("[A] (Sande et al., 2012)", BEST, CONVNET), ROWS)
METHODS = transfer.METHODS.replace("SET", "voc2012")
METHODS += """
- Scenes: an image with several classes is trained on once for each, with weights that add up to one; each class is
  scored by its probability. Average precision is VOC's since 2010. VOC's test labels were never released, so that ours
  is on its validation images.{{ differs }}
- What others reached on PASCAL is compared with on that set alone, not on drawn pictures
  {{ about("targets.voc2012.root") }}.
"""
NAMES = {"Airplane": "aeroplane", "Table": "diningtable", "Plant": "pottedplant", "TV": "tvmonitor"}
"""VOC's names of the paper's rows, where the names differ."""


def precisions(data: Data) -> dict[str, float]:
    """Return our average precisions in % and their mean, by the paper's rows for VOC's classes, else by class."""
    found = data["precision.csv"]
    ours = dict(zip(found["class"], (100 * found["average_precision"]).tolist(), strict=True))
    ours[MEAN.lower()] = sum(ours.values()) / len(ours)
    theirs = {NAMES.get(row.name, row.name.lower()): row.name for row in TABLE.rows}
    if set(ours) == set(theirs):
        return {theirs[name]: value for name, value in ours.items()}
    return {f"{name} (ours)": value for name, value in ours.items()}


def table(data: Data, runs: Runs) -> Filled:
    """Return the paper's rows with ours, then the classes that the paper does not have."""
    ours = precisions(data)
    more = [Row(name, (None,) * len(TABLE.columns)) for name in ours if name not in PRINTED]
    lines = [
        Line(row, ours={"ours": [None, None, Measure(ours[row.name])]} if row.name in ours else {})
        for row in (*TABLE.rows, *more)
    ]
    images = data["precision.csv"]["test_images"].iloc[0]
    notes = [
        "Average precision in %, as VOC defines it since 2010: the area under the monotone envelope of precision "
        f"against recall. Ours: on {images:,} validation images, trained on the training images; the labels of VOC's "
        "test images, on which the published numbers are, were never released."
    ]
    if more:
        notes.append(
            "Ours: scenes that zfpipe draws, of classes that pre-training never saw; their classes are not VOC's, and "
            "stand below. Set targets.voc2012.root to VOC 2012 for the rows above."
        )
    return Filled(TABLE, lines, notes, quoted=TABLE.columns[:2])


def below_others(data: Data, given: Given) -> list[Measure]:
    """Return the mean over classes of our average precision minus the best of other groups."""
    if given.targets.voc2012.embedded:
        raise Unmeasurable(transfer.DRAWN.format("PASCAL VOC 2012"))
    ours = precisions(data)
    if MEAN not in ours:
        raise Unmeasurable("its classes are not those of PASCAL VOC 2012")
    values = np.array([ours[row.name] - TABLE.printed(row.name, BEST) for row in TABLE.rows if row.name != MEAN])
    return [Measure(*bootstrap(values), len(values), "classes")]


CLAIMS = (
    Claim("pascal", "Features generalise less well to PASCAL: others are better there.",
          "average precision on PASCAL VOC 2012 minus that of the best others, mean over the classes", "points",
          below(0.0), below_others, "what the best others reach",
          published=TABLE.printed(MEAN, CONVNET) - TABLE.printed(MEAN, BEST)),
)  # fmt: skip
