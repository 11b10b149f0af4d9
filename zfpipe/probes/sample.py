"""Which validation images the probes of section 4 look at."""

from collections.abc import Collection

import numpy as np

from zfpipe.evaluation.ten_crop import Predictions


def shuffled(predictions: Predictions, seed: int, among: Collection[int] | None = None) -> list[int]:
    """Ids of images, all or some, in a seeded random order."""
    order = np.random.default_rng(seed).permutation(len(predictions.ids))
    ids = predictions.ids[order].tolist()
    return ids if among is None else [image for image in ids if image in set(among)]


def recognised(predictions: Predictions, ids: Collection[int], count: int) -> list[int]:
    """The first `count` of the ids whose class the network gets right, of different classes as far as there are any."""
    right = predictions.ids[predictions.probabilities.argmax(1) == predictions.labels]
    label = dict(zip(predictions.ids.tolist(), predictions.labels.tolist(), strict=True))
    known = set(right.tolist())
    found = [image for image in ids if image in known]
    first = list({label[image]: image for image in reversed(found)}.values())  # of each class the first
    first.sort(key=found.index)
    return [*first, *(image for image in found if image not in set(first))][:count]
