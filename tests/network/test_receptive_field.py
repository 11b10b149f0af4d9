"""Test receptive fields against the measured support of the gradient, and against known sizes."""

import pytest
import torch
from torch.nn import functional

from tests.networks import KINDS, SETTINGS, small_network
from zfpipe.network.architecture import architecture, merged
from zfpipe.network.receptive_field import ReceptiveField, receptive_field


def test_the_papers_network_has_known_receptive_fields() -> None:
    built = architecture(merged(SETTINGS.model, {"width": 1.0}), 224, 1000)
    fields = [receptive_field(built, layer) for layer in range(1, 6)]
    assert [(field.size, field.jump) for field in fields] == [(7, 2), (27, 8), (75, 16), (107, 16), (139, 16)]
    assert fields[0] == ReceptiveField(start=-1, size=7, jump=2, seen=224)
    assert fields[0].span(10) == (19, 26)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("crop", [128, 131])
def test_a_receptive_field_is_the_support_of_the_gradient(kind: str, crop: int) -> None:
    """With weights of one and averages instead of maxima, every pixel that a unit can see has a gradient."""
    network = small_network(kind, crop)
    image = torch.ones(1, 3, crop, crop, requires_grad=True)
    signal = image
    for conv in network.architecture.convs:
        ones = torch.ones_like(network.conv(conv.layer).weight)
        signal = functional.conv2d(signal, ones, stride=conv.stride, padding=conv.padding)
        signal = signal / signal.detach().mean()
        field = receptive_field(network.architecture, conv.layer)
        for y, x in ((0, 0), (conv.map_size // 2, conv.map_size // 3), (conv.map_size - 1, conv.map_size - 1)):
            (gradient,) = torch.autograd.grad(signal[0, 0, y, x], image, retain_graph=True)
            seen = gradient[0, 0] != 0
            for axis, unit in ((1, y), (0, x)):
                pixels = seen.any(axis).nonzero().flatten().tolist()
                assert pixels == list(range(*field.visible(unit)))
        if conv.pool:
            signal = functional.avg_pool2d(signal, conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)


def test_a_left_out_layer_has_no_receptive_field() -> None:
    network = small_network("no 3, 4")
    with pytest.raises(ValueError, match="no convolution layer 3"):
        receptive_field(network.architecture, 3)
