"""Average the probabilities of several networks (section 5.1, Table 2)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from zfpipe.evaluation.predictions import Predictions
from zfpipe.probes.intervals import bootstrap


def run(
    ensembles: Mapping[str, Sequence[str]], read: Callable[[str], Predictions], log: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Return the ten-crop errors of each ensemble, and its gain over its single members with an interval."""
    found = {}
    for name, runs in ensembles.items():
        members = [read(run) for run in runs]
        together = mean(members)
        gained, low, high = bootstrap(gain(members))
        found[name] = {
            "runs": list(runs),
            "val_top1": together.top_error(1),
            "val_top5": together.top_error(5),
            "gain_top1": gained,
            "gain_top1_low": low,
            "gain_top1_high": high,
            "val_images": len(together.ids),
            "classes": together.probabilities.shape[1],
        }
        log(f"{name}: validation error {found[name]['val_top1']:.1%} top-1, {found[name]['val_top5']:.1%} top-5")
    return found


def mean(members: Sequence[Predictions]) -> Predictions:
    """Return the predictions of an ensemble; check by id and label that all members saw the same images."""
    first = members[0]
    total = np.zeros(first.probabilities.shape)  # a running sum: a stack of ImageNet's predictions would take gigabytes
    for other in members:
        assert np.array_equal(first.ids, other.ids) and np.array_equal(first.labels, other.labels)
        total += other.probabilities
    return Predictions(first.ids, first.labels, total / len(members))


def gain(members: Sequence[Predictions]) -> Float[np.ndarray, "image"]:
    """Return for each image the share of members that are wrong, minus 1 if the ensemble is wrong (top-1)."""
    alone = np.mean([one.wrong(1) for one in members], axis=0)
    return alone - mean(members).wrong(1)
