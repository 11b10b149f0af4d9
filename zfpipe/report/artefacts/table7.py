"""Table 7: how well the features of each layer classify."""

from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.report.engine import transfer
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.networks import learned
from zfpipe.report.engine.tables import Filled, Row, Runs, Table

ARTEFACT = Artefact(
    name="Table 7",
    section="5.3",
    title="How well each layer's features classify",
    caption="Linear classifiers on the features of each layer of the pretrained network: what the layers have learnt "
    "to tell apart.",
    paper="The deeper the layer, the better its features classify.",
    folder=paths.TRANSFER,
    made_by=("table@7", "transfer@caltech101, transfer@caltech256", "harvest@caltech101, harvest@caltech256"),
    parameters=("runs.zfnet", "targets", "transfer", "crops.size"),
    results={
        "caltech101/accuracy.csv": "every fold, first column",
        "caltech256/accuracy.csv": "every fold, second column",
    },
)
ROWS = (
    Row("SVM (1)", ((44.8, 0.7), (24.6, 0.4))),
    Row("SVM (2)", ((66.2, 0.5), (39.6, 0.3))),
    Row("SVM (3)", ((72.3, 0.4), (46.0, 0.3))),
    Row("SVM (4)", ((76.6, 0.4), (51.3, 0.1))),
    Row("SVM (5)", ((86.2, 0.8), (65.6, 0.3))),
    Row("SVM (7)", ((85.5, 0.4), (71.7, 0.2))),
    Row("Softmax (5)", ((82.9, 0.4), (65.7, 0.5))),
    Row("Softmax (7)", ((85.4, 0.4), (72.6, 0.1))),
)
TABLE = Table("Accuracy %", 1, ("Caltech-101, 30 per class", "Caltech-256, 60 per class"), ROWS)
METHODS = """
- Deeper is better: Spearman's rank correlation, which one weak layer can't decide as it could a slope.
"""
LAYERS = (1, 2, 3, 4, 5, 7)  # the layers on which the paper trains SVMs


def sets(data: Data) -> list[tuple[str, str, pd.DataFrame]]:
    """Return for each set the paper's name and column, and every classifier's accuracy on our set."""
    folders = zip(TABLE.columns, ("caltech101", "caltech256"), strict=True)
    return [(column.partition(",")[0], column, data[f"{folder}/accuracy.csv"]) for column, folder in folders]


def folds(accuracies: pd.DataFrame, kind: str, layer: int) -> transfer.Folds | None:
    """Return a classifier's accuracies with the most training images, or None if there is no such classifier."""
    rows = accuracies.query("classifier == @kind and layer == @layer and per_class == per_class.max()")
    return 100 * rows["accuracy"].to_numpy() if len(rows) else None


def table(data: Data, runs: Runs) -> Filled:
    """Return the paper's rows with ours."""
    first, second = (one for _, _, one in sets(data))
    lines = []
    for row in TABLE.rows:
        kind, layer = row.name.lower().rstrip(")").split(" (")
        lines.append(transfer.line(row, [folds(one, kind, int(layer)) for one in (first, second)]))
    notes = [
        transfer.compared("Caltech-101 and Caltech-256", first),
        f"Ours, first column: {first['per_class'].max()} training images per class. Second: "
        f"{second['per_class'].max()} training images per class, on {transfer.described(second)}.",
        "SVM: linear, with a hinge loss, one class against another. The weight of the errors is chosen on training "
        "images that are held out; the paper does not say how.",
    ]
    return Filled(TABLE, lines, notes)


def differences(data: Data, given: Given) -> list[Measure]:
    """Return the accuracy of each layer's SVM minus the previous layer's, on the same folds."""
    found = []
    for name, column, accuracies in sets(data):
        for before, layer in pairwise(LAYERS):
            part = f"{name}: SVM on layer {layer} − layer {before}"
            published = TABLE.printed(f"SVM ({layer})", column) - TABLE.printed(f"SVM ({before})", column)
            high, low = (folds(accuracies, "svm", one) for one in (layer, before))
            found.append(transfer.difference(high, low, part, published))
    return found


def deeper(data: Data, given: Given) -> list[Measure]:
    """Return for each set the mean over folds of the rank correlation of SVM accuracy with depth."""
    found = []
    for name, column, accuracies in sets(data):
        rows = accuracies.query("classifier == 'svm' and per_class == per_class.max()")
        ours = rows.pivot(index="layer", columns="fold", values="accuracy").to_numpy()
        if len(ours) < 2:
            raise Unmeasurable("classifiers were trained on one layer alone")
        theirs = np.array([[TABLE.printed(f"SVM ({layer})", column)] for layer in LAYERS])
        found.append(Measure.mean(order(ours), "folds", name, float(order(theirs)[0])))
    return found


def order(values: Float[np.ndarray, "layer fold"]) -> transfer.Folds:
    """Return Spearman's correlation of each fold's values with the layers, lowest first; 0 if all are equal."""
    ranks = pd.DataFrame(values).rank().to_numpy()
    depths, apart = np.arange(len(ranks)) - (len(ranks) - 1) / 2, ranks - ranks.mean(0)
    norms = np.sqrt((depths @ depths) * (apart**2).sum(0))
    return np.divide(depths @ apart, norms, out=np.zeros_like(norms), where=norms > 0)


CLAIMS = (
    Claim("deeper", "Deeper features discriminate better.",
          "rank correlation of an SVM's accuracy with the depth of its layer, fold by fold; for each set", "", above(),
          deeper, "layers exchanged at random: no correlation",
          [learned("zfnet")]),
)  # fmt: skip
