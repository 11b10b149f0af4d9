"""Test which images the probes look at."""

import numpy as np

from zfpipe.evaluation.predictions import Predictions
from zfpipe.probes import sample
from zfpipe.subject.truth import Truth


def predictions() -> Predictions:
    labels = np.array([0, 0, 1, 1, 2, 2])
    said = np.array([0, 0, 1, 0, 2, 1])
    return Predictions(np.arange(10, 16), labels, np.eye(3)[said].astype(np.float32))


def test_all_images_appear_once_in_an_order_that_the_seed_gives() -> None:
    found = sample.shuffled(predictions(), 0)
    assert sorted(found) == list(range(10, 16)) and found == sample.shuffled(predictions(), 0)
    assert any(sample.shuffled(predictions(), seed) != found for seed in range(1, 5))


def test_recognised_images_of_different_classes_come_first() -> None:
    assert sample.recognised(predictions(), [13, 11, 10, 15, 14, 12], 3) == [11, 14, 12]
    assert sample.recognised(predictions(), [13, 11, 10, 15, 14, 12], 9) == [11, 14, 12, 10]
    assert sample.recognised(predictions(), [13, 15], 2) == []


def test_images_without_an_object_are_hidden_only_if_no_image_has_one() -> None:
    class Known(Truth):
        def __init__(self, ids: set[int]):
            self.ids = ids

        def object(self, image: int) -> np.ndarray | None:
            return np.ones((2, 2), bool) if image in self.ids else None

    chosen = sample.OcclusionProbe(size=1, stride=1, shown_stride=1, grey=0.0, images=None, shown=2, seed=0)
    objects, shown = sample.to_hide(predictions(), Known({10, 13}), chosen)
    assert sorted(objects) == [10, 13] and shown == [10]
    objects, shown = sample.to_hide(predictions(), Known(set()), chosen)
    assert objects == [] and len(shown) == 2
