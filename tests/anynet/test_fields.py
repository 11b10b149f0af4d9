"""Test receptive fields by arithmetic against the gradients of networks without zeros."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.anynet.networks import FOURTEEN, Functional, torchvisions
from tests.anynet.test_rule import twin
from tests.networks import KINDS, small_network
from zfpipe.anynet.fields import fields
from zfpipe.anynet.record import record
from zfpipe.anynet.tape import SMOOTH, Call
from zfpipe.network.receptive_field import receptive_field


def linear(call: Call, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a call so that nothing is lost: ReLUs pass everything, pools take the mean, products are sums."""
    if call.ceiling is not None or call.kind in SMOOTH:
        return args[0] if call.inplace else args[0] * 1.0
    if call.kind == "max_pool2d":
        kwargs = {name: value for name, value in kwargs.items() if name not in ("dilation", "return_indices")}
        return functional.avg_pool2d(*args, **kwargs)
    if call.kind == "mul" and len(call.inputs) == 2:
        return (args[0] + args[1]) / 2  # products of products would soon overflow
    return function(*args, **kwargs)


def box(gradient: torch.Tensor) -> tuple[int, int, int, int]:
    """Return the box around the values that are not zero."""
    some = gradient.abs().sum((0, 1)) > 0
    (ys, xs) = (some.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return xs[0], ys[0], xs[-1] + 1, ys[-1] + 1


def check(network: nn.Module, side: tuple[int, int], layers: int) -> int:
    """Check about `layers` layers of a network at three places each; return the number of checked layers."""
    network = network.double()
    for parameter in network.parameters():
        # Weights are positive, and sums become means, so that products of maps stay near one.
        spread = parameter[0].numel() if parameter.dim() > 1 else 1
        parameter.data = (parameter.data * 0 + 0.5 + torch.rand_like(parameter)) / spread
    tape = record(network, (3, *side))
    known, checked = fields(tape), 0
    for call in tape.rectified[:: max(1, len(tape.rectified) // layers)]:
        image = torch.rand(1, 3, *side, dtype=torch.double, requires_grad=True)
        top = tape.through(image.clone(), linear, call.index)
        height, width = call.shape[2:]
        for y, x in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
            (gradient,) = torch.autograd.grad(top[0, :, y, x].sum(), image, retain_graph=True)
            assert box(gradient) == known[call.index].box(y, x), f"{call.name} at {y}, {x}"
        checked += 1
    return checked


@pytest.mark.parametrize("name", FOURTEEN[2:])
def test_fields_of_torchvisions_networks(name: str) -> None:
    assert check(torchvisions(name), (96, 112) if name != "inception_v3" else (96, 96), 5) >= 5


def test_fields_of_functions() -> None:
    assert check(Functional().eval(), (30, 41), 9) == 7


def test_fields_of_odd_windows() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 2, (1, 5), stride=(1, 2), padding=(0, 4), dilation=(1, 2)), nn.ReLU(),
        nn.ZeroPad2d((2, 0, 1, 3)), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(2, 2, 4, padding="same"), nn.ReLU(),
        nn.AdaptiveAvgPool2d((8, 5)), nn.ReLU(),
    )  # fmt: skip
    assert check(network, (28, 37), 9) == 3


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_fields_equal_those_of_zfpipes_own_networks(kind: str) -> None:
    network = small_network(kind)
    tape = record(twin(network), (3, 121, 121))
    for conv, call in zip(network.architecture.convs, tape.rectified, strict=True):
        found = fields(tape)[call.index]
        assert found.y == found.x
        theirs = receptive_field(network.architecture, conv.layer)
        assert replace(found.y, seen=theirs.seen) == theirs
        assert found.y.seen <= theirs.seen, (
            "the exact field does not count the remainder of a pool below a padded filter"
        )
    assert check(twin(network), (121, 121), 9) == len(network.architecture.convs)


def test_an_unknown_field_is_left_out() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x):
            return functional.interpolate(self.conv(x).relu(), scale_factor=2).relu()

    tape = record(Turned(), (3, 9, 9))
    known = fields(tape)
    assert tape.find("relu").index in known
    assert tape.find("relu_1").index not in known
