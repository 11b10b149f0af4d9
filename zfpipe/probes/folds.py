"""Random choices of images to train and to test on, the same for every classifier of a set (sections 5.2 and 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from zfpipe.errors import UserError
from zfpipe.params import Target, Transfer

Rows = Int64[np.ndarray, "_"]
THIRDS = 3
"""Parts of each class's training images; on one of them is chosen what the others have trained."""


@dataclass(frozen=True)
class Fold:
    """A random choice of images, as rows: for each number per class those to train on, and those to test on."""

    train: dict[int, Rows]
    test: Rows


def folds(labels: Rows, target: Target, settings: Transfer, count: int) -> list[Fold]:
    """The first so many folds of a set: the same for every classifier and for training from scratch."""
    numbers = sorted({*target.per_class, *target.fewer})
    return [fold(labels, numbers, settings.test, settings.seed, number) for number in range(count)]


def fold(labels: Rows, per_class: Sequence[int], test: int, seed: int, number: int) -> Fold:
    """A fold: the images of a smaller number are among those of a larger one, and all are tested on the same images.

    Those are at most `test` of the images of each class that the largest number leaves. Raises UserError when it
    leaves a class none.
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
    """The third of its class, 0 to 2, in which each image is held out; −1: a class's only image, which never is.

    Two images are held out in turns. The larger thirds come first.
    """
    rng = np.random.default_rng(seed)
    found = np.full(len(labels), -1)
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        if len(places) > 1:
            found[places] = np.arange(len(places)) % THIRDS
    return found


def accuracy(scores: Float[np.ndarray, "image class"], labels: Rows) -> float:
    """Mean over the classes of the share of their images that are recognised."""
    right = scores.argmax(1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
