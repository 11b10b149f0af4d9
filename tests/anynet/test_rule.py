"""Test the rule against the exact path of zfpipe's networks, captum and hand arithmetic, and what the rule refuses."""

import importlib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from captum.attr import Deconvolution
from torch import nn
from torch.nn import functional

from tests.anynet.networks import Functional, Plain, images, torchvisions, unshared
from tests.networks import KINDS, random_images, small_network
from zfpipe.anynet.record import record
from zfpipe.anynet.rule import Norm, Units, Windows, on_whole, project, refusal
from zfpipe.anynet.tape import Call, Tape
from zfpipe.deconvnet import deconvnet
from zfpipe.errors import UserError
from zfpipe.foreign import imported
from zfpipe.network.convnet import ConvNet
from zfpipe.sections import Deconvnet


def twin(network: ConvNet) -> nn.Sequential:
    """Return one of zfpipe's networks in torch.nn's own layers."""
    layers: list[nn.Module] = []
    norm = network.norm
    for conv in network.architecture.convs:
        layers += [network.conv(conv.layer), nn.ReLU(inplace=True)]
        after: list[nn.Module] = [nn.LocalResponseNorm(norm.size, norm.alpha, norm.beta, norm.k)] if conv.normed else []
        if conv.pool:
            pool = nn.MaxPool2d(conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)
            after.insert(len(after) if norm.before_pool else 0, pool)
        layers += after
    return nn.Sequential(*layers)


def strongest(tape: Tape, batch: torch.Tensor, layer: Call, count: int = 1) -> Units:
    """Return the largest activation of each image in its `count` strongest maps."""
    kept = []
    tape.run(batch, {layer.index: lambda maps: kept.append(maps.clone())})
    values, places = kept[0].flatten(2).max(2)
    maps = values.topk(count, 1).indices
    place, width = places.gather(1, maps), kept[0].shape[3]
    rows = torch.arange(len(batch)).repeat_interleave(count)
    return Units(rows, maps.flatten(), (place // width).flatten(), (place % width).flatten())


def close(ours: torch.Tensor, theirs: torch.Tensor, part: float = 1e-5) -> None:
    assert theirs.abs().max() > 0
    assert (ours - theirs).abs().max() <= part * theirs.abs().max()


@pytest.mark.parametrize("norm", ["skip", "gradient"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_rule_equals_the_exact_path_of_zfpipes_networks(kind: str, norm: Norm) -> None:
    network, batch = small_network(kind), random_images(3)
    tape = record(twin(network), (3, 121, 121))
    for conv, layer in zip(network.architecture.convs, tape.rectified, strict=True):
        units = strongest(tape, batch, layer)
        exact, expected = deconvnet.project(
            network,
            batch,
            deconvnet.Units(conv.layer, units.maps, units.ys, units.xs),
            Deconvnet(unpooling="sum", norm=norm),
        )
        found, activations = project(tape, batch, layer, units, norm)
        close(found, exact)
        torch.testing.assert_close(activations, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("source", ["torchvision.models:alexnet", "tests.foreign.test_imported:plain"])
def test_chains_give_what_the_pipeline_reads_of_them(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.foreign.test_imported import model, saved

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    path, (module, _, name) = Path("weights/net.pth"), source.partition(":")
    path.parent.mkdir()
    network = saved(getattr(importlib.import_module(module), name)(), path)
    settings = model(source, path)
    chain, batch = imported.read(settings, 96), random_images(2, 96)
    spread = torch.tensor(settings.input_std)[:, None, None]
    tape = record(network, (3, 96, 96))
    for number, layer in enumerate(tape.rectified, 1):
        units = strongest(tape, batch / spread, layer)
        exact, _ = deconvnet.project(
            chain,
            batch,
            deconvnet.Units(number, units.maps, units.ys, units.xs),
            Deconvnet(unpooling="sum", norm="skip"),
        )
        found, _ = project(tape, batch / spread, layer, units)
        close(found / spread, exact, 1e-4)  # folded batch normalisation rounds differently


class Unit(nn.Module):
    """Give the maps of a layer flat, so that captum can name a unit."""

    def __init__(self, network: Any, module: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.found: Any = None
        module.register_forward_hook(lambda _, __, found: setattr(self, "found", found))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.network(batch)
        return self.found.flatten(1)


def by_captum(network: nn.Module, module: nn.Module, batch: torch.Tensor, layer: Call, units: Units) -> torch.Tensor:
    """Return captum's projections, multiplied by the activation."""
    model, (_, _, height, width) = Unit(network, module), layer.shape
    target = (units.maps * height + units.ys) * width + units.xs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = Deconvolution(model).attribute(batch[units.rows], target=target)
        activations = model(batch[units.rows]).gather(1, target[:, None]).detach()
    return (pixels * activations[:, :, None, None]).detach()


@pytest.mark.parametrize("name", ["relu", "layer1.0.relu", "layer2.0.relu_1", "layer3.1.relu_1", "layer4.0.relu"])
def test_resnet_equals_captum(name: str) -> None:
    batch = images(2, 64)
    tape = record(torchvisions("resnet18"), (3, 64, 64))  # ReLUs are reused and in place, on which captum fails
    layer = tape.find(name)
    units = strongest(tape, batch, layer, 3)
    found, _ = project(tape, batch, layer, units)
    theirs = unshared(torchvisions("resnet18"))
    close(found, by_captum(theirs, theirs.get_submodule(name.replace("relu_1", "relu2")), batch, layer, units))


@pytest.mark.parametrize("name", ["features.2", "features.13", "features.27"])
def test_vgg_with_batch_normalisation_equals_captum(name: str) -> None:
    batch, network = images(2, 64), torchvisions("vgg11_bn")
    tape = record(network, (3, 64, 64))
    layer = tape.find(name)
    units = strongest(tape, batch, layer, 2)
    theirs = torchvisions("vgg11_bn")
    for module in theirs.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    close(project(tape, batch, layer, units)[0], by_captum(theirs, theirs.get_submodule(name), batch, layer, units))


@pytest.mark.parametrize("place", range(7))
def test_every_way_to_write_a_relu_equals_captum_on_modules(place: int) -> None:
    batch, plain = images(2, 24), Plain().eval()
    tape = record(Functional().eval(), (3, 24, 24))
    layer = tape.rectified[place]
    units = strongest(tape, batch, layer, 4)
    close(project(tape, batch, layer, units)[0], by_captum(plain, plain.relus[place], batch, layer, units))


def test_relu6_passes_on_relu_of_the_signal() -> None:
    conv, up = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 2, 1, bias=False)
    conv.weight.data.fill_(10.0)
    up.weight.data[:, 0, 0, 0] = torch.tensor([2.0, -1.0])
    tape = record(nn.Sequential(conv, nn.ReLU6(), up), (1, 1, 1))
    image = torch.ones(1, 1, 1, 1)
    none = torch.zeros(2, dtype=torch.long)
    units = Units(none, torch.tensor([0, 1]), none, none)
    found, activations = project(tape, image, tape.find("2"), units)
    assert activations.tolist() == [12.0, -6.0]
    assert found.flatten().tolist() == [240.0, 60.0], "at the ceiling of 6 the gradient would be zero"


def test_a_gate_is_held_constant() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.gate, self.up = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 5, 3)

        def forward(self, x):
            x = self.conv(x).relu()
            return self.up(x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))).relu()

    network, batch = Gated(), images(2, 9)
    tape = record(network, (3, 9, 9))
    layer = tape.find("relu_1")
    units = strongest(tape, batch, layer, 2)
    found, activations = project(tape, batch, layer, units)
    with torch.no_grad():
        maps = network.conv(batch).relu()
        gates = torch.sigmoid(network.gate(maps.mean((2, 3), keepdim=True)))[units.rows]
        signal = torch.zeros(4, 5, 5, 5)
        signal[torch.arange(4), units.maps, units.ys, units.xs] = activations
        signal = functional.conv_transpose2d(signal, network.up.weight) * gates
        close(found, functional.conv_transpose2d(signal.relu(), network.conv.weight))


REFUSED = {
    "gelu": (lambda x: functional.gelu(x), "gelu"),
    "swish by hand": (lambda x: x * torch.sigmoid(x), "multiplies two maps|sigmoid"),
    "leaky": (nn.LeakyReLU(), r"act \(LeakyReLU\)"),
    "square": (lambda x: x * x.flip(3), "multiplies two maps"),
    "group norm": (nn.GroupNorm(1, 4), "uses statistics of the image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_without_a_step_down_are_refused_by_name(name: str) -> None:
    act, words = REFUSED[name]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.up = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
            self.act = act

        def forward(self, x):
            return self.up(self.act(self.conv(x).relu())).relu()

    tape, units = record(Network(), (3, 9, 9)), Units(*(torch.zeros(1, dtype=torch.long),) * 4)
    with pytest.raises(UserError, match=words):
        project(tape, images(1, 9), tape.find("relu_1"), units)
    assert refusal(tape, tape.find("relu")) is None, "the layers below can be projected"
    if name == "group norm":
        assert project(tape, images(1, 9), tape.find("relu_1"), units, "gradient")[0].shape == (1, 3, 9, 9)


def test_many_units_of_many_images_equal_one_by_one() -> None:
    batch, tape = images(3, 24), record(Functional().eval(), (3, 24, 24))
    layer = tape.find("relu_2")
    rows = torch.tensor([2, 0, 0, 2, 2, 1, *[0] * 20])
    generator = torch.Generator().manual_seed(0)
    maps, ys, xs = (torch.randint(0, top, (26,), generator=generator) for top in (6, 12, 12))
    together, activations = project(tape, batch, layer, Units(rows, maps, ys, xs))
    for unit in range(26):
        one = slice(unit, unit + 1)
        alone, activation = project(
            tape, batch[rows[one]], layer, Units(torch.zeros(1, dtype=torch.long), maps[one], ys[one], xs[one])
        )
        torch.testing.assert_close(together[one], alone)
        torch.testing.assert_close(activations[one], activation)


@pytest.mark.parametrize("layer", ["relu", "relu_2"])
@pytest.mark.parametrize("count", [0, 2])
def test_no_units_give_no_projections(layer: str, count: int) -> None:
    tape = record(Functional().eval(), (3, 24, 24))
    found, activations = project(tape, images(2, 24)[:count], tape.find(layer), Units(*(torch.zeros(0).long(),) * 4))
    assert found.shape == (0, 3, 24, 24) and activations.shape == (0,)


def test_the_network_and_its_gradients_are_left_alone() -> None:
    network, batch = Functional().eval(), images(1, 24)
    before = network(batch)
    tape = record(network, (3, 24, 24))
    project(tape, batch, tape.find("relu_2"), Units(*(torch.zeros(1, dtype=torch.long),) * 4))
    assert all(one.grad is None and one.requires_grad for one in network.parameters())
    assert torch.equal(network(batch), before)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("alexnet", (131, 150)),
        ("squeezenet1_0", (128, 128)),
        ("resnet18", (96, 113)),
        ("googlenet", (96, 96)),
        ("mobilenet_v2", (97, 120)),
    ],
)
def test_windows_equal_whole_images(name: str, side: tuple[int, int]) -> None:
    """Units in every corner, at every edge and in the middle; pools that round up; sides with a remainder."""
    height, width = side
    batch = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    tape = record(torchvisions(name), (3, height, width))
    found = {call.index: Windows.of(tape, call) for call in tape.rectified}
    windowed = [tape.calls[index] for index, one in found.items() if one and one.worthwhile(18, 2)]
    assert len(windowed) >= 2
    for layer in (windowed[0], windowed[-1]):
        maps, last = strongest(tape, batch[:1], layer, 2).maps, (layer.shape[2] - 1, layer.shape[3] - 1)
        places = [(y, x) for y in (0, last[0] // 2, last[0]) for x in (0, 1, last[1])]
        ys, xs = (torch.tensor(one).repeat(2) for one in zip(*places, strict=True))
        units = Units(torch.arange(2).repeat_interleave(len(places)), maps.repeat(len(places)), ys, xs)
        pixels, activations = project(tape, batch, layer, units)
        expected, values = on_whole(tape, batch, layer, units, "skip")
        close(pixels, expected)
        close(activations, values)


class Placed(nn.Module):
    """A network that reads a fixed size, then sees its whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(3, 3, 3) for _ in range(3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one score."""
        fixed = self.conv1(images).relu().view(-1, 3, 62, 62)
        maps = self.conv2(fixed).relu()
        gated = maps * maps.mean((2, 3), keepdim=True)
        return self.conv3(gated).relu().mean((1, 2, 3))[:, None]


@pytest.mark.parametrize("layer", ["conv2", "relu_2"])
def test_what_may_use_its_place_in_the_image_goes_whole(layer: str) -> None:
    tape = record(Placed().eval(), (3, 64, 64))
    assert Windows.of(tape, tape.find("relu")) is not None
    assert Windows.of(tape, tape.find(layer)) is None
