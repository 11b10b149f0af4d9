"""The paper's own numbers, Tables 1 to 7, as printed: inconsistencies stay (Tables 4 to 7), nothing is corrected."""

from dataclasses import dataclass

Printed = float | tuple[float, float] | None
"""A number, a number and its uncertainty, or nothing where the paper prints a dash."""


@dataclass(frozen=True)
class Row:
    """A row as printed.

    `run` is our run or ensemble that measures the same thing, as named in params.yaml. `others` marks numbers that
    other groups published and the paper only quotes. `group` is the model that a row of Table 3 changes.
    """

    name: str
    values: tuple[Printed, ...]
    run: str | None = None
    others: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the paper: `columns` name the values of each row, in `unit`, printed with so many decimals."""

    number: int
    section: str
    title: str
    unit: str
    decimals: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def text(value: Printed, decimals: int) -> str:
    """A number as the paper prints it; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return f"{value[0]:.{decimals}f} ± {value[1]:g}"
    return f"{value:.{decimals}f}"


def row(name: str, *values: Printed) -> Row:
    """A row that no single run of ours measures."""
    return Row(name, values)


def others(name: str, *values: Printed) -> Row:
    """A row that the paper quotes from others."""
    return Row(name, values, others=True)


TABLE1 = Table(
    1,
    "4.3",
    "Correspondence of object parts in five dog images",
    "Δ, lower is more consistent",
    3,
    ("Layer 5", "Layer 7"),
    (
        row("Right Eye", (0.067, 0.007), (0.069, 0.015)),
        row("Left Eye", (0.069, 0.007), (0.068, 0.013)),
        row("Nose", (0.079, 0.017), (0.069, 0.011)),
        row("Random", (0.107, 0.017), (0.073, 0.014)),
    ),
)

TABLE2 = Table(
    2,
    "5.1",
    "ImageNet 2012 classification errors",
    "Error %",
    1,
    ("Val Top-1", "Val Top-5", "Test Top-5"),
    (
        others("(Gunji et al., 2012)", None, None, 26.2),
        others("(Krizhevsky et al., 2012), 1 convnet", 40.7, 18.2, None),
        others("(Krizhevsky et al., 2012), 5 convnets", 38.1, 16.4, 16.4),
        others("(Krizhevsky et al., 2012) ∗ , 1 convnets", 39.0, 16.6, None),
        others("(Krizhevsky et al., 2012) ∗ , 7 convnets", 36.7, 15.4, 15.3),
        Row("Our replication of (Krizhevsky et al., 2012), 1 convnet", (40.5, 18.1, None), "alexnet"),
        Row("1 convnet as per Fig. 3", (38.4, 16.5, None), "zfnet"),
        Row("5 convnets as per Fig. 3 – (a)", (36.7, 15.3, 15.3), "zfnet-five"),
        Row(
            "1 convnet as per Fig. 3 but with layers 3,4,5: 512,1024,512 maps – (b)",
            (37.5, 16.0, 16.1),
            "zfnet-wide",
        ),
        Row("6 convnets, (a) & (b) combined", (36.0, 14.7, 14.8), "zfnet-six"),
    ),
)

KRIZHEVSKY, OURS = "The model of (Krizhevsky et al., 2012)", "Our model (see Fig. 3)"


def changed(group: str, name: str, run: str, *errors: float) -> Row:
    """A row of Table 3: a model, what was changed in it, and our run with that change."""
    return Row(name, errors, run, group=group)


TABLE3 = Table(
    3,
    "5.1",
    "ImageNet 2012 classification errors with changes to the architecture",
    "Error %",
    1,
    ("Train Top-1", "Val Top-1", "Val Top-5"),
    (
        changed(KRIZHEVSKY, "Our replication of (Krizhevsky et al., 2012), 1 convnet", "alexnet", 35.1, 40.5, 18.1),
        changed(KRIZHEVSKY, "Removed layers 3,4", "alexnet-no34", 41.8, 45.4, 22.1),
        changed(KRIZHEVSKY, "Removed layer 7", "alexnet-no7", 27.4, 40.0, 18.4),
        changed(KRIZHEVSKY, "Removed layers 6,7", "alexnet-no67", 27.4, 44.8, 22.4),
        changed(KRIZHEVSKY, "Removed layer 3,4,6,7", "alexnet-no3467", 71.1, 71.3, 50.1),
        changed(KRIZHEVSKY, "Adjust layers 6,7: 2048 units", "alexnet-fc2048", 40.3, 41.7, 18.8),
        changed(KRIZHEVSKY, "Adjust layers 6,7: 8192 units", "alexnet-fc8192", 26.8, 40.0, 18.1),
        changed(OURS, "Our Model (as per Fig. 3)", "zfnet", 33.1, 38.4, 16.5),
        changed(OURS, "Adjust layers 6,7: 2048 units", "zfnet-fc2048", 38.2, 40.2, 17.6),
        changed(OURS, "Adjust layers 6,7: 8192 units", "zfnet-fc8192", 22.0, 38.8, 17.0),
        changed(OURS, "Adjust layers 3,4,5: 512,1024,512 maps", "zfnet-wide", 18.8, 37.5, 16.0),
        changed(
            OURS,
            "Adjust layers 6,7: 8192 units and Layers 3,4,5: 512,1024,512 maps",
            "zfnet-wide-fc8192",
            10.0,
            38.3,
            16.9,
        ),
    ),
)

TABLE4 = Table(
    4,
    "5.2",
    "Caltech-101 accuracy",
    "Accuracy %",
    1,
    ("15 per class", "30 per class"),
    (
        others("(Bo et al., 2013)", None, (81.4, 0.33)),
        others("(Jianchao et al., 2009)", 73.2, 84.3),
        row("Non-pretrained convnet", (22.8, 1.5), (46.5, 1.7)),
        row("ImageNet-pretrained convnet", (83.8, 0.5), (86.5, 0.5)),
    ),
)

TABLE5 = Table(
    5,
    "5.2",
    "Caltech-256 accuracy",
    "Accuracy %",
    1,
    ("15 per class", "30 per class", "45 per class", "60 per class"),
    (
        others("(Sohn et al., 2011)", 35.1, 42.1, 45.7, 47.9),
        others("(Bo et al., 2013)", (40.5, 0.4), (48.0, 0.2), (51.9, 0.2), (55.2, 0.3)),
        row("Non-pretrained convnet", (9.0, 1.4), (22.5, 0.7), (31.2, 0.5), (38.8, 1.4)),
        row("ImageNet-pretrained convnet", (65.7, 0.2), (70.6, 0.2), (72.7, 0.4), (74.2, 0.3)),
    ),
)

TABLE6 = Table(
    6,
    "5.2",
    "PASCAL VOC 2012 classification",
    "Average precision %",
    1,
    ("[A] (Sande et al., 2012)", "[B] (Yan et al., 2012)", "The paper's convnet"),
    (
        row("Airplane", 92.0, 97.3, 96.0),
        row("Bicycle", 74.2, 84.2, 77.1),
        row("Bird", 73.0, 80.8, 88.4),
        row("Boat", 77.5, 85.3, 85.5),
        row("Bottle", 54.3, 60.8, 55.8),
        row("Bus", 85.2, 89.9, 85.8),
        row("Car", 81.9, 86.8, 78.6),
        row("Cat", 76.4, 89.3, 91.2),
        row("Chair", 65.2, 75.4, 65.0),
        row("Cow", 63.2, 77.8, 74.4),
        row("Table", 63.2, 77.8, 67.7),
        row("Dog", 68.9, 83.0, 87.8),
        row("Horse", 78.2, 87.5, 86.0),
        row("Motorbike", 81.0, 90.1, 85.1),
        row("Person", 91.6, 95.0, 90.9),
        row("Plant", 55.9, 57.8, 52.2),
        row("Sheep", 69.4, 79.2, 83.6),
        row("Sofa", 65.4, 73.4, 61.1),
        row("Train", 86.7, 94.5, 91.8),
        row("TV", 77.4, 80.7, 76.1),
        row("Mean", 74.3, 82.2, 79.0),
    ),
)

TABLE7 = Table(
    7,
    "5.3",
    "Classifiers on the features of each layer",
    "Accuracy %",
    1,
    ("Caltech-101, 30 per class", "Caltech-256, 60 per class"),
    (
        row("SVM (1)", (44.8, 0.7), (24.6, 0.4)),
        row("SVM (2)", (66.2, 0.5), (39.6, 0.3)),
        row("SVM (3)", (72.3, 0.4), (46.0, 0.3)),
        row("SVM (4)", (76.6, 0.4), (51.3, 0.1)),
        row("SVM (5)", (86.2, 0.8), (65.6, 0.3)),
        row("SVM (7)", (85.5, 0.4), (71.7, 0.2)),
        row("Softmax (5)", (82.9, 0.4), (65.7, 0.5)),
        row("Softmax (7)", (85.4, 0.4), (72.6, 0.1)),
    ),
)

FEW = 6
"""With so many images per class the pretrained network beats others' best with 60 (Fig. 9, section 5.2)."""


def beaten() -> float:
    """That accuracy of theirs on Caltech-256, in %."""
    best = next(row.values[-1] for row in TABLE5.rows if row.name == "(Bo et al., 2013)")
    assert isinstance(best, tuple)
    return best[0]


TABLES = {table.number: table for table in (TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, TABLE7)}
