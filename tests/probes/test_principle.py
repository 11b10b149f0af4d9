"""Test the steps of Fig. 1 against the whole deconvnet, and each step by hand."""

from typing import Literal

import numpy as np
import pytest
import torch

from tests.networks import random_images, small_network
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.probes.principle import steps
from zfpipe.sections import Deconvnet

SUM = Deconvnet(unpooling="sum", norm="skip")


@pytest.mark.parametrize("norm", ["skip", "gradient"])
@pytest.mark.parametrize("kind", ["zfnet", "alexnet"])
def test_the_steps_lead_to_the_projection(kind: str, norm: Literal["skip", "gradient"]) -> None:
    network, image, settings = small_network(kind), random_images(1), SUM.model_copy(update={"norm": norm})
    *_, second = network.trace(image, 2)
    place = int(second.rectified[0].argmax())
    number, y, x = (int(one) for one in np.unravel_index(place, second.rectified.shape[1:]))
    unit = number, y, x
    found = steps(network, image, unit, settings)
    whole, activations = project(network, image, Units(2, *(torch.tensor([place]) for place in unit)), settings)
    assert activations.item() > 0
    np.testing.assert_allclose(found.reconstruction, whole[0].permute(1, 2, 0), rtol=1e-4, atol=1e-5)
    assert found.kept[y, x] == found.map2[y, x]
    assert np.count_nonzero(found.kept) == 1


def test_each_step_by_hand() -> None:
    network, image = small_network("zfnet"), random_images(1, seed=3)
    found = steps(network, image, (1, 6, 6), SUM)
    np.testing.assert_array_equal(found.map1.ravel()[found.switches], found.pooled1)
    unpooled = np.zeros(found.map1.size)
    for place, value in zip(found.switches.ravel(), found.filtered.ravel(), strict=True):
        unpooled[place] += value
    np.testing.assert_allclose(found.unpooled.ravel(), unpooled, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.rectified, np.maximum(found.unpooled, 0))
    assert found.filtered.min() < 0 < found.filtered.max()
