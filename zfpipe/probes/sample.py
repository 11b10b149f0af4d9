"""Which validation images the probes of section 4 look at."""

from collections.abc import Collection

import numpy as np

from zfpipe.evaluation.predictions import Predictions
from zfpipe.params import OcclusionProbe
from zfpipe.subject.truth import Truth


def shuffled(predictions: Predictions, seed: int) -> list[int]:
    """Ids of all images in a seeded random order."""
    return np.random.default_rng(seed).permutation(predictions.ids).tolist()


def recognised(predictions: Predictions, ids: Collection[int], count: int) -> list[int]:
    """The first `count` of the ids whose class the network gets right, of different classes as far as there are any."""
    right = predictions.ids[predictions.probabilities.argmax(1) == predictions.labels]
    label = dict(zip(predictions.ids.tolist(), predictions.labels.tolist(), strict=True))
    known = set(right.tolist())
    found = [image for image in ids if image in known]
    first = list({label[image]: image for image in reversed(found)}.values())  # of each class the first
    first.sort(key=found.index)
    return [*first, *(image for image in found if image not in set(first))][:count]


def to_hide(predictions: Predictions, known: Truth, chosen: OcclusionProbe) -> tuple[list[int], list[int]]:
    """Images whose object is known, in a seeded random order; and those to show, any where no object is known."""
    order = shuffled(predictions, chosen.seed)
    objects = [image for image in order if known.object(image) is not None]
    return objects, recognised(predictions, objects or order, chosen.shown)
