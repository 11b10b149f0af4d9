"""Test a network and its untrained twin."""

from pathlib import Path

import torch

from tests.conftest import CROP, SIZE
from tests.networks import SETTINGS, random_images, small_network
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import initialise
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.subject.subject import Subject


def test_the_untrained_network_is_the_seeds_in_any_layout(inputs: MeanSubtraction) -> None:
    network = weights.build(merged(SETTINGS.model, {"width": 0.05}), CROP, 25)
    initialise(network, "he", 0.01, 0, SETTINGS.model.init.first)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter)
    trained = network.to(memory_format=torch.channels_last).eval()
    subject = Subject(trained, inputs, Path("val.beton"), Path("index.parquet"), CROP, SIZE, SETTINGS.model.init, 0)
    found = subject.untrained.network
    assert all(torch.equal(value, expected[name]) for name, value in found.state_dict().items())
    assert all((parameter == 1).all() for parameter in network.parameters()), "the trained network must not change"
    assert not found.training and subject.untrained.beton == subject.beton


def test_a_network_of_others_has_an_untrained_twin(inputs: MeanSubtraction) -> None:
    network = small_network("vgg")
    subject = Subject(network, inputs, Path("val.beton"), Path("index.parquet"), 121, 141, SETTINGS.model.init, 0)
    one, other = (twin(random_images(2)) for twin in (network, subject.untrained.network))
    assert one.shape == other.shape and not torch.allclose(one, other)
