"""Test ensembles: the mean of probabilities against loops, and by hand."""

import numpy as np
import pytest

from zfpipe.evaluation.predictions import Predictions
from zfpipe.probes import ensembles as ensemble


def predictions(seed: int, ids: int = 20, classes: int = 5) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(np.arange(ids), np.arange(ids) % classes, rng.dirichlet(np.ones(classes), ids))


def test_an_ensemble_is_the_mean_of_probabilities() -> None:
    members = [predictions(seed) for seed in range(3)]
    found = ensemble.mean(members)
    for row in range(20):
        for label in range(5):
            expected = sum(float(member.probabilities[row, label]) for member in members) / 3
            assert found.probabilities[row, label] == pytest.approx(expected)
    np.testing.assert_array_equal(found.labels, members[0].labels)


def test_a_sure_network_outweighs_two_unsure_ones() -> None:
    one = Predictions(np.array([7]), np.array([0]), np.array([[0.95, 0.05, 0.0]]))
    two = Predictions(np.array([7]), np.array([0]), np.array([[0.4, 0.6, 0.0]]))
    assert two.top_error(1) == 1
    assert ensemble.mean([one, two, two]).top_error(1) == 0


def test_members_of_different_images_are_refused() -> None:
    with pytest.raises(AssertionError):
        ensemble.mean([predictions(0), predictions(1, ids=21)])


def test_the_gain_is_over_the_mean_error_of_the_members() -> None:
    members = [predictions(seed) for seed in range(3)]
    found = ensemble.gain(members)
    together = ensemble.mean(members)
    for row in range(20):
        alone = [member.probabilities[row].argmax() != member.labels[row] for member in members]
        assert found[row] == pytest.approx(sum(alone) / 3 - (together.probabilities[row].argmax() != row % 5))
    expected = sum(member.top_error(1) for member in members) / 3 - together.top_error(1)
    assert found.mean() == pytest.approx(expected)
