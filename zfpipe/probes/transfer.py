"""Train classifiers of other data sets on a layer's features of few images (sections 5.2 and 5.3)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int64
from scipy.linalg import get_lapack_funcs, solve_triangular
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from zfpipe.beton.sidecar import read_sidecar
from zfpipe.index.images import read_index
from zfpipe.probes import harvested
from zfpipe.probes.folds import THIRDS, Rows, accuracy, folds, thirds
from zfpipe.probes.harvested import threads
from zfpipe.sections import Target, Transfer
from zfpipe.workers import worker_count

GRID = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Candidates for the penalty: weights of the errors against the classifier's size (scikit-learn's C)."""
FEW = 1000
"""Up to FEW training images, each third is held out in turn to choose the penalty; with more, only one third is.

A third of 24 images would be eight, of which one is 12 points of accuracy; a third of 1,000 can tell two points apart.
"""
CONVERGED = 1e-6
"""Largest gradient of a converged softmax. On the drawn sets accuracies equal those at 1e-8, and probabilities differ
by at most 5e-4; at 1e-3 accuracies are up to 2.5 points off if the penalty is light."""

DEPENDENT = 1e-10
"""An image depends on others if its squared distance from their span is at most this; the mean squared length is 1."""
TOGETHER = 32
"""Number of images whose votes are counted together: the margins of 257 classes take 17 MB."""

Kind = Literal["softmax", "svm"]


class Span:
    """Inner products of training images with each other and with other images, centred and scaled.

    The weights of a regularised linear classifier lie in the space that its training images span. So the classifier
    needs only inner products, of training images with each other and with the image to classify, however many features
    there are. Features are centred on the training images' mean and scaled to a mean square length of 1, so that GRID
    means the same for every layer. Rows may repeat.
    """

    def __init__(self, gram: Float[np.ndarray, "image image"], train: Rows):
        self.gram, self.train = gram, train
        self.products: Float[np.ndarray, "train train"] = gram[np.ix_(train, train)]
        self.means, self.mean = self.products.mean(0), self.products.mean()
        # Change the array in place: with 15,000 images each copy would take 2 GB
        self.products -= self.means[:, None]
        self.products -= self.means[None, :]
        self.products += self.mean
        self.scale = np.trace(self.products) / len(train)
        self.products /= self.scale

    def of(self, rows: Rows) -> Float[np.ndarray, "image train"]:
        """Return the inner products of other images with the training images."""
        beside = self.gram[np.ix_(rows, self.train)]
        beside -= beside.mean(1, keepdims=True)
        beside -= self.means[None, :]
        beside += self.mean
        beside /= self.scale
        return beside

    @cached_property
    def factor(self) -> tuple[Float[np.ndarray, "train axis"], Int64[np.ndarray, "axis"]]:
        """Return the training images' coordinates in their space, and one image for each axis.

        In these coordinates the images have the same inner products as in all features. They are a Cholesky factor with
        pivots, so that the coordinates of the images for the axes are a triangular matrix. Dependent images, such as
        15,000 images with 4,096 features, have no axis.
        """
        (pstrf,) = get_lapack_funcs(("pstrf",), (self.products,))
        lower, order, rank, _ = pstrf(self.products, tol=DEPENDENT, lower=1)
        order, lower = order.astype(np.int64) - 1, lower[:, :rank]
        lower[:rank] = np.tril(lower[:rank])
        coordinates = np.empty_like(lower)
        coordinates[order] = lower
        return coordinates, order[:rank]

    def coordinates(self, products: Float[np.ndarray, "image train"]) -> Float[np.ndarray, "image axis"]:
        """Return the coordinates of images with these inner products with the training images."""
        coordinates, axes = self.factor
        return solve_triangular(coordinates[axes], products[:, axes].T, lower=True).T


def classifier(
    kind: Kind, span: Span, labels: Rows, penalty: float, weights: Float[np.ndarray, "train"] | None = None
) -> Callable[[Float[np.ndarray, "image train"]], Float[np.ndarray, "image class"]]:
    """Train a classifier on the span's images, with optional sample weights.

    Return the function from images' inner products with the training images to class scores. `softmax` is multinomial
    logistic regression by L-BFGS. `svm` has a hinge loss and compares every two classes.
    """
    if kind == "softmax":
        softmax = LogisticRegression(C=penalty, max_iter=100_000, tol=CONVERGED)
        softmax.fit(span.factor[0], labels, sample_weight=weights)
        return lambda products: softmax.predict_proba(span.coordinates(products))
    svm = SVC(C=penalty, kernel="precomputed").fit(span.products, labels, sample_weight=weights)
    return lambda products: votes(svm, products)


def votes(svm: SVC, products: Float[np.ndarray, "image train"]) -> Float[np.ndarray, "image class"]:
    """Return each class's score as scikit-learn's `decision_function`: votes of all pairs of classes, then margins.

    scikit-learn adds up each pair of classes by itself, seven times slower for 257 classes. Here the support
    vectors of a class are one matrix product for all other classes.
    """
    classes = len(svm.classes_)
    if classes == 2:
        margin = svm.decision_function(products)
        return np.stack([-margin, margin], 1)
    earlier = np.triu(np.ones((classes, classes), bool), 1)
    sign = earlier.astype(np.float64) - earlier.T
    intercepts = np.zeros((classes, classes))
    intercepts[earlier] = svm.intercept_
    intercepts += intercepts.T
    places = np.split(np.arange(len(svm.support_)), np.cumsum(svm.n_support_)[:-1])  # of each class's support vectors
    against = [np.insert(svm.dual_coef_[:, own], one, 0, axis=0).T for one, own in enumerate(places)]
    found = np.empty((len(products), classes))
    for start in range(0, len(products), TOGETHER):
        beside = products[start : start + TOGETHER, svm.support_]
        margins = np.stack([beside[:, own] @ weights for own, weights in zip(places, against, strict=True)], 1)
        margins = margins + margins.transpose(0, 2, 1)
        margins += intercepts  # above 0 for the earlier class of a pair
        won = ((margins >= 0) == earlier).sum(2)  # never against itself: that margin is 0
        confidence = np.einsum("nij,ij->ni", margins, sign)
        found[start : start + TOGETHER] = won + confidence / (3 * (np.abs(confidence) + 1))
    return found


def penalties(
    kinds: Sequence[Kind], gram: Float[np.ndarray, "image image"], train: Rows, labels: Rows, seed: int
) -> dict[Kind, float]:
    """Return for each kind the value of GRID that does best on a held-out third of each class's training images.

    Up to FEW images are cross-validated in thirds. Among equally good neighbouring values the middle one is returned,
    or the smaller of two middle values, since accuracy falls beyond both ends. Of several groups of equal values the
    largest group counts. `labels` are the training images'; test images are not used. A class's only image is never
    held out. If no class has two images, return the middle of GRID.
    """
    labels = np.unique(labels, return_inverse=True)[1]  # classes without images have no scores
    part = thirds(labels, seed)
    scores: dict[Kind, dict[float, list[np.ndarray]]] = {kind: {one: [] for one in GRID} for kind in kinds}
    truth: list[Rows] = []
    for third in range(THIRDS if len(train) <= FEW else 1):
        held = part == third
        if held.any():
            span = Span(gram, train[~held])
            beside = span.of(train[held])
            truth.append(labels[held])
            for kind, of_kind in scores.items():
                for one, found in zip(GRID, tried(kind, span, labels[~held], beside), strict=True):
                    of_kind[one].append(found)
    if not truth:
        return dict.fromkeys(kinds, GRID[len(GRID) // 2])
    labels = np.concatenate(truth)
    return {
        kind: chosen(np.array([accuracy(np.concatenate(one), labels) for one in of_kind.values()]))
        for kind, of_kind in scores.items()
    }


def tried(
    kind: Kind, span: Span, labels: Rows, beside: Float[np.ndarray, "image train"]
) -> list[Float[np.ndarray, "image class"]]:
    """Return the class scores of other images for each penalty of GRID, from classifiers trained side by side."""
    if kind == "softmax":
        _ = span.factor  # computed once, before threads share them
    with ThreadPoolExecutor(worker_count()) as pool:
        return list(pool.map(lambda one: classifier(kind, span, labels, one)(beside), GRID))


def chosen(found: Float[np.ndarray, "penalty"]) -> float:
    """Return the middle of the largest group of values of GRID with the best accuracy."""
    best = np.flatnonzero(np.isclose(found, found.max(), rtol=0, atol=1e-9))
    group = max(np.split(best, np.flatnonzero(np.diff(best) > 1) + 1), key=len)
    return GRID[group[(len(group) - 1) // 2]]


def transferred(
    kinds: Sequence[Kind], gram: Float[np.ndarray, "image image"], labels: Rows, train: Rows, test: Rows, seed: int
) -> dict[Kind, tuple[float, float]]:
    """Return each classifier's accuracy on the test images, and the penalty chosen for it.

    All kinds share the images' inner products.
    """
    with threads(len(train)):
        best = penalties(kinds, gram, train, labels[train], seed)
        span = Span(gram, train)
        trained = [classifier(kind, span, labels[train], one) for kind, one in best.items()]
        beside = span.of(test)
        return {
            kind: (accuracy(scores(beside), labels[test]), one)
            for (kind, one), scores in zip(best.items(), trained, strict=True)
        }


def average_precision(scores: Float[np.ndarray, "image"], positive: Bool[np.ndarray, "image"]) -> float:
    """Return PASCAL VOC's average precision since 2010: the area under the monotone precision-recall curve.

    Images with equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    precision = hits / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[positive[order]].sum() / positive.sum())


def run(
    name: str, features: Path, beton: Path, index: Path, target: Target, settings: Transfer
) -> dict[str, pd.DataFrame]:
    """Train the classifiers of a data set; return their table by file name.

    Caltech's sets give accuracies on folds drawn here. VOC, which has validation images, gives average precisions.
    """
    if name != "voc2012":
        return {"accuracy.csv": accuracies(features, target, settings)}
    rows = read_index(index, also=["labels", "difficult"]).set_index("id")
    return {"precision.csv": precisions(features, rows, read_sidecar(beton).classes, settings.seed)}


def accuracies(features: Path, target: Target, settings: Transfer) -> pd.DataFrame:
    """Score every classifier on every fold: all layers with the most images, the last layer also with fewer images.

    Table 7 has `svm` on each layer and `softmax` on the last two. Tables 4 and 5 and Fig. 9 have `softmax` on the last
    layer as the pretrained network.
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
    """Return each class's average precision on the validation images, by a softmax on the last layer (Table 6).

    An image of several classes is used once for each class, with weights that add up to one. For the choice of the
    penalty only the largest object's label counts. An image whose objects are all marked difficult is not used.
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
        for column, label in enumerate(np.unique(targets))  # the classes of the training images
        if present[test, label].any()
    ]
    return pd.DataFrame(rows).assign(penalty=best, test_images=len(test))


def shown(labels: Sequence[Any], classes: int) -> Bool[np.ndarray, "image class"]:
    """Return which classes are in each image's list; a missing list has none."""
    found = np.zeros((len(labels), classes), bool)
    for row, several in enumerate(labels):
        if several is not None:
            found[row, np.asarray(several, np.int64)] = True
    return found


def class_precision(
    scores: Float[np.ndarray, "image"], present: Bool[np.ndarray, "image"], difficult: Bool[np.ndarray, "image"]
) -> float:
    """Return a class's average precision, computed as in VOC's development kit.

    An image whose objects of the class are all marked difficult does not count.
    """
    counted = present | ~difficult
    return average_precision(scores[counted], present[counted])
