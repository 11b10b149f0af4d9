"""Several networks together: the mean of their probabilities (section 5.1, Table 2)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from zfpipe.evaluation.predictions import Predictions


def mean(members: Sequence[Predictions]) -> Predictions:
    """The predictions of an ensemble; all members must be of the same images, which are checked by id and label."""
    first = members[0]
    total = np.zeros(first.probabilities.shape)  # a sum, not a stack: at ImageNet's size a stack takes gigabytes
    for other in members:
        assert np.array_equal(first.ids, other.ids) and np.array_equal(first.labels, other.labels)
        total += other.probabilities
    return Predictions(first.ids, first.labels, total / len(members))


def gain(members: Sequence[Predictions]) -> Float[np.ndarray, "image"]:
    """Image by image: the share of members that are wrong on their own, less 1 if they are wrong together (top-1)."""
    alone = np.mean([one.wrong(1) for one in members], axis=0)
    return alone - mean(members).wrong(1)
