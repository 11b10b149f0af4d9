"""Features moved to other sets: classifiers on few images, from the features of a layer (sections 5.2 and 5.3)."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from zfpipe.beton.sidecar import read_sidecar
from zfpipe.index.images import read_index
from zfpipe.params import Target, Transfer
from zfpipe.probes import harvested
from zfpipe.probes.folds import THIRDS, Rows, accuracy, folds, thirds
from zfpipe.probes.harvested import threads

GRID = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Weights of the errors against the size of the classifier, to choose from (scikit-learn's C)."""
FEW = 1000
"""With up to so many training images every third of them is held out in turn for that choice, with more only one.

A third of 24 images would be eight, of which one is 12 points of accuracy; a third of 1,000 can tell two points apart.
"""
CONVERGED = 1e-6
"""No weight of a softmax would change the loss faster. On the drawn sets no accuracy differs from that at 1e-8, and no
probability by more than 5e-4; at 1e-3 accuracies are up to 2.5 points off where the penalty is light."""

Kind = Literal["softmax", "svm"]


class Span:
    """Some training images in the few coordinates in which a linear classifier sees them.

    A classifier whose weights are kept small never leaves the span of its training images, so their inner products
    with each other and with the image to classify are all it has to know, however many features there are. Features
    are centred on the training images' mean and scaled to a mean square length of 1, so that GRID means the same for
    every layer. Rows may repeat.
    """

    def __init__(self, gram: Float[np.ndarray, "image image"], train: Rows):
        self.gram, self.train = gram, train
        centred = gram[np.ix_(train, train)]
        self.means, self.mean = centred.mean(0), centred.mean()
        # In place: with 15,000 images each copy would take 2 GB
        centred -= self.means[:, None]
        centred -= self.means[None, :]
        centred += self.mean
        self.scale = np.trace(centred) / len(train)
        centred /= self.scale
        # In these axes the images have the same inner products as in all features
        values, axes = np.linalg.eigh(centred)
        kept = values > 1e-10 * values[-1]
        self.axes = axes[:, kept] / np.sqrt(values[kept])
        self.coordinates: Float[np.ndarray, "train axis"] = centred @ self.axes

    @cached_property
    def kernel(self) -> Float[np.ndarray, "train train"]:
        """The inner products of the images in these coordinates."""
        return self.coordinates @ self.coordinates.T

    def of(self, rows: Rows) -> Float[np.ndarray, "image axis"]:
        """Other images in these coordinates; what lies outside the span no classifier sees."""
        beside = self.gram[np.ix_(rows, self.train)]
        return (beside - beside.mean(1, keepdims=True) - self.means[None, :] + self.mean) / self.scale @ self.axes


def classifier(
    kind: Kind, span: Span, labels: Rows, penalty: float, weights: Float[np.ndarray, "train"] | None = None
) -> Callable[[Float[np.ndarray, "image axis"]], Float[np.ndarray, "image class"]]:
    """Trained on the span's images, perhaps with weights; gives scores, larger for what is more probable.

    `softmax` is multinomial logistic regression by L-BFGS; `svm` has a hinge loss, one class against another.
    """
    if kind == "softmax":
        softmax = LogisticRegression(C=penalty, max_iter=100_000, tol=CONVERGED)
        softmax.fit(span.coordinates, labels, sample_weight=weights)
        return softmax.predict_proba
    svm = SVC(C=penalty, kernel="precomputed", decision_function_shape="ovr")  # or each product is made for each pair
    svm.fit(span.kernel, labels, sample_weight=weights)

    def scores(coordinates: Float[np.ndarray, "image axis"]) -> Float[np.ndarray, "image class"]:
        found = svm.decision_function(coordinates @ span.coordinates.T)
        return found if found.ndim == 2 else np.stack([-found, found], 1)

    return scores


def penalties(
    kinds: Sequence[Kind], gram: Float[np.ndarray, "image image"], train: Rows, labels: Rows, seed: int
) -> dict[Kind, float]:
    """The one of GRID that does best on a third of each class's images after training on the rest, for each kind.

    Few images are held out in turns, a third at a time, and all of them count. Of equals that are neighbours the middle
    one, or the smaller of two: how well a classifier does rises with the penalty's weight and falls again, so that
    their ends are where it starts to get worse. Of several such groups the largest counts. `labels` are the training
    images'; test images have no part in it. A class's only image is never held out; where no class has two, it is the
    middle of GRID.
    """
    labels = np.unique(labels, return_inverse=True)[1]  # a class that no image has, has no score either
    part = thirds(labels, seed)
    scores: dict[Kind, dict[float, list[np.ndarray]]] = {kind: {one: [] for one in GRID} for kind in kinds}
    truth: list[Rows] = []
    for third in range(THIRDS if len(train) <= FEW else 1):
        held = part == third
        if held.any():
            span = Span(gram, train[~held])
            coordinates = span.of(train[held])
            truth.append(labels[held])
            for kind, of_kind in scores.items():
                for one, found in of_kind.items():
                    found.append(classifier(kind, span, labels[~held], one)(coordinates))
    if not truth:
        return dict.fromkeys(kinds, GRID[len(GRID) // 2])
    labels = np.concatenate(truth)
    return {
        kind: chosen(np.array([accuracy(np.concatenate(one), labels) for one in of_kind.values()]))
        for kind, of_kind in scores.items()
    }


def chosen(found: Float[np.ndarray, "penalty"]) -> float:
    """The one of GRID that stands for the best accuracies."""
    best = np.flatnonzero(np.isclose(found, found.max(), rtol=0, atol=1e-9))
    group = max(np.split(best, np.flatnonzero(np.diff(best) > 1) + 1), key=len)
    return GRID[group[(len(group) - 1) // 2]]


def transferred(
    kinds: Sequence[Kind], gram: Float[np.ndarray, "image image"], labels: Rows, train: Rows, test: Rows, seed: int
) -> dict[Kind, tuple[float, float]]:
    """Accuracy on the test images of classifiers trained on the others, and the penalty chosen for each.

    All kinds see the images in the same coordinates, which cost more than most classifiers.
    """
    with threads(len(train)):
        best = penalties(kinds, gram, train, labels[train], seed)
        span = Span(gram, train)
        beside = span.of(test)
        return {
            kind: (accuracy(classifier(kind, span, labels[train], one)(beside), labels[test]), one)
            for kind, one in best.items()
        }


def average_precision(scores: Float[np.ndarray, "image"], positive: Bool[np.ndarray, "image"]) -> float:
    """PASCAL VOC's since 2010: the area under precision against recall, made monotone from the right.

    Images of equal scores are taken in the order they come.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    precision = hits / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[positive[order]].sum() / positive.sum())


def run(
    name: str, features: Path, beton: Path, index: Path, target: Target, settings: Transfer
) -> dict[str, pd.DataFrame]:
    """Train the classifiers of a set; their table by the name of its file.

    The accuracies of Caltech's sets, whose folds are chosen here; of VOC, which has validation images, the precisions.
    """
    if name != "voc2012":
        return {"accuracy.csv": accuracies(features, target, settings)}
    rows = read_index(index, also=["labels", "difficult"]).set_index("id")
    return {"precision.csv": precisions(features, rows, read_sidecar(beton).classes, settings.seed)}


def accuracies(features: Path, target: Target, settings: Transfer) -> pd.DataFrame:
    """Every classifier on every fold: on all layers with the most images, on the last also with fewer.

    `svm` on each layer and `softmax` on the last two are Table 7's; `softmax` on the last is Table 4's, 5's and
    Fig. 9's pretrained network.
    """
    _, labels = harvested.labels(features)
    layers = harvested.layers(features)
    most = max(target.per_class)
    parts = folds(labels, target, settings, settings.folds)
    rows: list[dict[str, Any]] = []
    for layer in layers:
        gram = harvested.gram(features, layer)
        wanted: dict[int, list[Kind]] = {most: ["svm"]}
        if layer in layers[-2:]:
            for count in parts[0].train if layer == layers[-1] else [most]:
                wanted.setdefault(count, []).append("softmax")
        of_layer = []
        for count, kinds in wanted.items():
            for number, one in enumerate(parts):
                found = transferred(kinds, gram, labels, one.train[count], one.test, settings.seed)
                for kind, (accurate, best) in found.items():
                    place = {"classifier": kind, "layer": layer, "per_class": count, "fold": number}
                    of_layer.append({**place, "accuracy": accurate, "penalty": best})
        rows += sorted(of_layer, key=lambda row: (row["classifier"] != "svm", row["per_class"]))
    classes = len(np.unique(labels))
    return pd.DataFrame(rows).assign(classes=classes, test_images=len(parts[0].test), drawn=target.embedded)


def precisions(features: Path, index: pd.DataFrame, classes: Sequence[str], seed: int) -> pd.DataFrame:
    """Each class's average precision on the validation images, by a softmax on the last layer (Table 6).

    An image of several classes is trained on once for each, with weights that add up to one; the largest object's
    label alone counts when the penalty is chosen. An image whose objects are all marked difficult is not trained on.
    """
    ids, _ = harvested.labels(features)
    index = index.loc[ids]
    labels = index["label"].to_numpy(np.int64)
    present, difficult = (shown(index[column].tolist(), len(classes)) for column in ("labels", "difficult"))
    train = np.flatnonzero((index["split"] == "train") & present.any(1))
    test = np.flatnonzero(index["split"] == "val")
    gram = harvested.gram(features, harvested.layers(features)[-1])
    places, targets = np.nonzero(present[train])
    with threads(len(train)):
        best = penalties(["softmax"], gram, train, labels[train], seed)["softmax"]
        span = Span(gram, train[places])
        weights = 1 / present[train].sum(1)[places]
        scores = classifier("softmax", span, targets, best, weights)(span.of(test))
    rows = [
        {
            "class": classes[label],
            "average_precision": class_precision(scores[:, column], present[test, label], difficult[test, label]),
            "images": int(present[test, label].sum()),
        }
        for column, label in enumerate(np.unique(targets))  # the classes that were trained on
        if present[test, label].any()
    ]
    return pd.DataFrame(rows).assign(penalty=best, test_images=len(test))


def shown(labels: Sequence[Any], classes: int) -> Bool[np.ndarray, "image class"]:
    """Which classes stand in the list of each image; a missing list has none."""
    found = np.zeros((len(labels), classes), bool)
    for row, several in enumerate(labels):
        if several is not None:
            found[row, np.asarray(several, np.int64)] = True
    return found


def class_precision(
    scores: Float[np.ndarray, "image"], present: Bool[np.ndarray, "image"], difficult: Bool[np.ndarray, "image"]
) -> float:
    """A class's average precision as VOC's development kit takes it.

    An image whose objects of the class are all marked difficult counts neither as a hit nor as a miss.
    """
    counted = present | ~difficult
    return average_precision(scores[counted], present[counted])
