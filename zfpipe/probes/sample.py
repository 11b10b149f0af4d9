"""Choose the validation images of section 4's probes."""

from collections.abc import Collection

import numpy as np

from zfpipe.evaluation.predictions import Predictions
from zfpipe.sections import OcclusionProbe
from zfpipe.subject.truth import Truth


def shuffled(predictions: Predictions, seed: int) -> list[int]:
    """Return the ids of all images in a seeded random order."""
    return np.random.default_rng(seed).permutation(predictions.ids).tolist()


def recognised(predictions: Predictions, ids: Collection[int], count: int) -> list[int]:
    """Return the first `count` ids of correctly classified images, from different classes as far as possible."""
    right = predictions.ids[predictions.probabilities.argmax(1) == predictions.labels]
    label = dict(zip(predictions.ids.tolist(), predictions.labels.tolist(), strict=True))
    known = set(right.tolist())
    found = [image for image in ids if image in known]
    first = list({label[image]: image for image in reversed(found)}.values())  # the first image of each class
    first.sort(key=found.index)
    return [*first, *(image for image in found if image not in set(first))][:count]


def to_hide(predictions: Predictions, known: Truth, chosen: OcclusionProbe) -> tuple[list[int], list[int]]:
    """Return the images with a known object in random order, and those to show (from all if no object is known)."""
    order = shuffled(predictions, chosen.seed)
    objects = [image for image in order if known.object(image) is not None]
    return objects, recognised(predictions, objects or order, chosen.shown)
