"""Test recording: torchvision's names, ReLUs however they are written, wrong names and images in one line."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models.feature_extraction import get_graph_node_names

from tests.anynet.networks import FOURTEEN, Functional, images, torchvisions
from zfpipe.anynet.record import record
from zfpipe.errors import UserError

BLOCKS = {"Conv2dNormActivation", "SqueezeExcitation", "SimpleStemIN", "Permute", "LayerNorm2d"}
"""Modules that torchvision does not look into, but a tape does."""


@pytest.mark.parametrize("name", FOURTEEN)
def test_layers_have_torchvisions_names(name: str) -> None:
    network = torchvisions(name)
    tape = record(network, (3, 96, 96))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = set(get_graph_node_names(network)[1])
    blocks = [key for key, module in network.named_modules() if type(module).__name__ in BLOCKS]
    inside = {call.name for call in tape.maps for block in blocks if call.name.startswith(f"{block}.")}
    ours = {call.name for call in tape.maps} - inside
    assert ours <= theirs
    for block in set(blocks) & theirs:
        assert block in tape.by_name, "a block must be found by its own name"
    shapes: dict[str, torch.Size] = {}

    def note(name: str, found: torch.Tensor) -> None:
        shapes.setdefault(name, found.shape)

    kinds = (
        nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.ReLU6 | nn.MaxPool2d | nn.AvgPool2d | nn.GELU | nn.SiLU | nn.Linear
    )
    layers = [(key, module) for key, module in network.named_modules() if isinstance(module, kinds)]
    hooks = [module.register_forward_hook(lambda _, __, y, key=key: note(key, y)) for key, module in layers]
    network(torch.zeros(1, 3, 96, 96))
    for hook in hooks:
        hook.remove()
    assert shapes
    assert {name: tape.by_name[name].shape for name in shapes} == shapes


def test_relus_are_seen_however_they_are_written() -> None:
    tape = record(Functional(), (3, 24, 24))
    assert [call.name for call in tape.rectified] == [
        *("relu", "relu_1", "relu_", "relu_2", "relu_3", "relu_4", "clamp"),
    ]


def test_bounds_tell_what_is_a_relu() -> None:
    class Bounds(nn.Module):
        def forward(self, x):
            x = x.clamp(min=0)
            x = x.clamp(-1, 1)
            x = functional.threshold(x, 0, 0)
            x = functional.threshold(x, 0.1, 20)
            x = functional.hardtanh(x)
            x = functional.relu6(x)
            return nn.ReLU6()(torch.clamp_min(x, 0))

    tape = record(Bounds(), (3, 8, 8))
    infinity = float("inf")
    assert [call.ceiling for call in tape.calls] == [infinity, None, infinity, None, None, 6, infinity, 6]
    assert [call.limited for call in tape.calls] == [call.ceiling == 6 for call in tape.calls]


@pytest.mark.parametrize("inplace", [True, False])
def test_a_relu6_can_be_read_without_its_ceiling(inplace: bool) -> None:
    tape = record(nn.Sequential(nn.ReLU6(inplace), nn.Conv2d(1, 1, 1)), (1, 1, 3))
    images, kept = torch.tensor([[[[-2.0, 5.0, 9.0]]]]), []
    with_ceiling = tape.run(images.clone(), {0: lambda maps: kept.append(maps.clone())})
    without = tape.run(images.clone(), {0: lambda maps: kept.append(maps.clone())}, unlimited=[0])
    assert [maps.flatten().tolist() for maps in kept] == [[0, 5, 6], [0, 5, 9]]
    assert torch.equal(with_ceiling, without), "the network itself keeps the ceiling"


def test_a_run_gives_the_results_of_calls() -> None:
    network = torchvisions("resnet18")
    tape, batch, kept = record(network, (3, 64, 64)), images(2, 64), {}
    wanted = ["layer1.0.bn1", "layer1.0.relu", "layer2.0.relu_1"]
    answer = tape.run(batch, {tape.find(one).index: lambda x, one=one: kept.update({one: x.clone()}) for one in wanted})
    torch.testing.assert_close(answer, network(batch))
    torch.testing.assert_close(kept["layer1.0.bn1"].relu(), kept["layer1.0.relu"])
    torch.testing.assert_close(
        kept["layer2.0.relu_1"],
        network.layer2[0](network.layer1(network.maxpool(network.relu(network.bn1(network.conv1(batch)))))),
    )


def test_training_mode_is_left_as_it_was() -> None:
    network = torchvisions("vgg11_bn").train()
    network.features[1].eval()
    before = [module.training for module in network.modules()]
    batch = images(1, 32)
    tape = record(network, (3, 32, 32))
    tape.run(batch, {})
    assert [module.training for module in network.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_an_unknown_layer_is_refused_with_the_nearest_name() -> None:
    tape = record(torchvisions("resnet18"), (3, 64, 64))
    with pytest.raises(UserError, match=r"layer 'layer1.0.rely': there is no such layer; .* such as 'layer1.0.relu'"):
        tape.find("layer1.0.rely")
    with pytest.raises(UserError, match=r"layer 'flatten': gives \(512,\), no maps"):
        tape.find("flatten")


def test_an_image_that_does_not_fit_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^AlexNet can't take an image of 3x20x20 \(.*\); must be the size") as error:
        record(torchvisions("alexnet"), (3, 20, 20))
    assert "\n" not in str(error.value)


def test_a_network_that_makes_other_calls_is_refused() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            x = self.conv(x)
            return x.relu() if len(x) == 1 else x.tanh()

    tape = record(Odd(), (3, 8, 8))
    tape.run(images(1, 8), {})
    with pytest.raises(UserError, match="makes other calls"):
        tape.run(images(2, 8), {})
