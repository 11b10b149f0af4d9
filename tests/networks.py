"""Build small networks of every kind that the pipeline can build."""

import pytest
import torch

from zfpipe import params
from zfpipe.network import weights
from zfpipe.network.architecture import Filters, Pool, merged, sized
from zfpipe.network.convnet import ConvNet, initialise

SETTINGS = params.load()
"""The parameters of the project's own params.yaml. Tests that need other values edit them."""

KINDS = {
    "zfnet": {},
    "stride 4": {"stride": 4},
    "a pool larger than its map": {"stride": 4, "conv2": {"stride": 3}},
    "alexnet": {"base": "alexnet"},
    "no 3, 4": {"drop": (3, 4)},
    "no 3, 4, 6, 7": {"base": "alexnet", "drop": (3, 4, 6, 7)},
    "vgg": {},
}

VGG = [
    Filters(1, 4, 3, 1, 1),
    Filters(2, 5, 3, 1, 1, Pool(2, 2, ceil=False)),
    Filters(3, 6, 3, 1, 1, Pool(3, 2, ceil=False)),
    Filters(4, 6, 5, 3, 1, Pool(2, 2, ceil=False)),
    Filters(5, 6, 3, 1, 1),
]
"""Filters with pools that leave a remainder, and two layers without a pool between, as in other people's networks."""


def small_network(kind: str, crop: int = 121, scheme: str = "he", seed: int = 0) -> ConvNet:
    """Return a narrow network with random biases, so that a bias in the wrong place changes results."""
    edit = dict(KINDS[kind])
    base = getattr(SETTINGS, str(edit.pop("base", "model")))
    model = merged(base, {"width": 0.03, "input_scale": 1 / 64, "dropout": 0.25, **edit})
    if kind == "vgg":
        network = ConvNet(sized(VGG, {6: 9, 7: 5}, crop), model.norm, model.dropout, 1 / 64)
    else:
        network = weights.build(model, crop, classes=5)
    initialise(network, "he" if scheme == "he" else "gaussian", 0.01, seed)
    # The weights were drawn for inputs near one. Larger inputs make large signals, in which differences show.
    network.input_scale = 1.0
    generator = torch.Generator().manual_seed(seed + 1)
    for conv in network.convs.values():
        torch.nn.init.normal_(conv.get_parameter("bias"), 0, 0.5, generator=generator)
    return network.eval()


def random_images(count: int, crop: int = 121, seed: int = 0) -> torch.Tensor:
    """Return images with values like mean-subtracted pixels."""
    return torch.randn(count, 3, crop, crop, generator=torch.Generator().manual_seed(seed)) * 60


@pytest.fixture(params=sorted(KINDS))
def network(request: pytest.FixtureRequest) -> ConvNet:
    return small_network(request.param)
