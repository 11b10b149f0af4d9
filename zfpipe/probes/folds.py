"""Draw training and test images at random, the same for every classifier of a data set (sections 5.2 and 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from zfpipe.errors import UserError
from zfpipe.sections import Target, Transfer

Rows = Int64[np.ndarray, "_"]
THIRDS = 3
"""Number of parts of each class's training images; one part selects among models trained on the others."""


@dataclass(frozen=True)
class Fold:
    """Row numbers of the images to train on, by number per class, and of the images to test on."""

    train: dict[int, Rows]
    test: Rows


def folds(labels: Rows, target: Target, settings: Transfer, count: int) -> list[Fold]:
    """Return the first `count` folds of a data set, the same for every classifier and for training from scratch."""
    numbers = sorted({*target.per_class, *target.fewer})
    return [fold(labels, numbers, settings.test, settings.seed, number) for number in range(count)]


def fold(labels: Rows, per_class: Sequence[int], test: int, seed: int, number: int) -> Fold:
    """Return a fold: smaller training sets are subsets of larger ones, and all share the same test images.

    The test images are, of each class, at most `test` of the images outside the largest training set. Raise UserError
    if a class has no image left to test on.
    """
    rng = np.random.default_rng([seed, number])
    train: dict[int, list[Rows]] = {count: [] for count in per_class}
    tests, most = [], max(per_class)
    for label in range(int(labels.max()) + 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if len(rows) <= most:
            raise UserError(
                f"a class has {len(rows)} images; targets.*.per_class asks for {most} to train on, and one more to test"
            )
        for count, parts in train.items():
            parts.append(rows[:count])
        tests.append(rows[most : most + test])
    return Fold({count: np.concatenate(parts) for count, parts in train.items()}, np.concatenate(tests))


def thirds(labels: Rows, seed: int) -> Rows:
    """Return the third of its class, 0 to 2, in which each image is held out, or −1 for a class's only image.

    An image with −1 is never held out. If a class has two images, each is held out once. The larger thirds come first.
    """
    rng = np.random.default_rng(seed)
    found = np.full(len(labels), -1)
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        if len(places) > 1:
            found[places] = np.arange(len(places)) % THIRDS
    return found


def accuracy(scores: Float[np.ndarray, "image class"], labels: Rows) -> float:
    """Return the share of correctly classified images of each class, averaged over the classes."""
    right = scores.argmax(1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
