"""Test occlusion by windows against whole images, in double precision, with every kind of layer and occluder."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.anynet.networks import FOURTEEN, Functional, images, torchvisions
from zfpipe.anynet.occlusion import Occlusion
from zfpipe.anynet.record import record
from zfpipe.occlusion.plan import Occluders


def occluders(side: int, size: int, step: int) -> Occluders:
    """Return occluders, some of which overhang the borders."""
    places = torch.arange(-size // 2, side, step)
    tops, lefts = torch.cartesian_prod(places, places).unbind(1)
    return Occluders(tops, lefts, size, max(1, size - 1))


def whole(network: nn.Module, image: torch.Tensor, fill: torch.Tensor, given: Occluders) -> torch.Tensor:
    """Run each occluded image through the whole network."""
    found = []
    with torch.no_grad():
        for top, left in zip(given.tops.tolist(), given.lefts.tolist(), strict=True):
            covered = image.clone()
            rows, columns = (
                slice(max(at, 0), max(at + length, 0)) for at, length in ((top, given.height), (left, given.width))
            )
            covered[:, rows, columns] = fill[:, rows, columns]
            found.append(network(covered[None])[0])
    return torch.stack(found)


def check(network: nn.Module, side: int, given: Occluders, batch: int = 7) -> int:
    """Compare both ways; return the number of calls that were computed by windows."""
    network = network.double()
    image, fill = images(2, side).double()
    occlusion = Occlusion(record(network, (3, side, side)), image, fill)
    unoccluded, answers = occlusion.answers(given, batch)
    found, expected = torch.cat(list(answers)), whole(network, image, fill, given)
    with torch.no_grad():
        torch.testing.assert_close(unoccluded, network(image[None]))
    change = (expected - unoccluded).abs().max()
    assert change > 1e-3 * unoccluded.abs().max(), "the occluders change too little"
    assert (found - expected).abs().max() < 1e-9 * change
    return len(occlusion.plan(given)) - 1


@pytest.mark.parametrize("name", FOURTEEN)
def test_windows_equal_whole_images(name: str) -> None:
    side = 80 if name != "inception_v3" else 96
    assert check(torchvisions(name), side, occluders(side, 13, 27)) > 0


@pytest.mark.parametrize("size", [1, 4, 20, 40])
def test_functions_in_place_equal_whole_images_for_occluders_of_any_size(size: int) -> None:
    done = check(nn.Sequential(Functional(), nn.Flatten()).eval(), 40, occluders(40, size, 9))
    assert done > 10 or size >= 20


class Kinds(nn.Module):
    """Use pools of every kind, dilation, groups, a normalisation that can't be folded, constants, and two branches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, 4, 5, stride=2, padding=2, bias=False)
        self.norm, self.other = nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4)
        self.grouped, self.wide = (
            nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2),
            nn.Conv2d(4, 4, (1, 3), padding=(0, 1)),
        )
        self.scale = nn.Parameter(torch.rand(4, 1, 1) + 0.5)
        self.place = nn.Parameter(torch.rand(1, 4, 30, 30))
        self.lrn, self.last = nn.LocalResponseNorm(3, alpha=0.5), nn.Conv2d(16, 5, 3, padding="same")
        for norm in (self.norm, self.other):
            for buffer in (norm.running_mean, norm.running_var):
                assert buffer is not None
                buffer.uniform_(0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.first(x)
        x = functional.relu(self.norm(before))
        y = functional.max_pool2d(x, 2, 2, ceil_mode=True)
        z = functional.avg_pool2d(self.other(x) * self.scale - 0.1, 3, 2, padding=1)
        wide = self.wide(self.lrn(y)).relu_()
        grouped = functional.relu6(self.grouped(z) + wide, inplace=True)
        y += 0.5
        whole = functional.interpolate(before[:, :, ::2, ::2], size=y.shape[2:])
        # All negative, so that zeros in the padding would be wrong.
        below = functional.max_pool2d(before - 9, 3, 2, padding=1)
        x = torch.cat([grouped, y, whole, below], 1)
        x = self.last(x)
        return functional.avg_pool2d(x, 3, 2, ceil_mode=True).flatten(1)


@pytest.mark.parametrize("size", [3, 17])
def test_every_kind_of_layer_equals_whole_images(size: int) -> None:
    assert check(Kinds().eval(), 60, occluders(60, size, 13)) > 5


def test_a_position_off_the_image_changes_nothing() -> None:
    network, image = torchvisions("resnet18"), images(1, 64)[0]
    off = Occluders(torch.tensor([-9, 64, 3]), torch.tensor([0, 0, 70]), 8, 8)
    unoccluded, answers = Occlusion(record(network, (3, 64, 64)), image, image + 1).answers(off)
    (found,) = answers
    torch.testing.assert_close(found, unoccluded.expand(3, -1), rtol=1e-4, atol=1e-5)


def test_the_first_layers_are_computed_by_windows() -> None:
    """This makes occlusion fast: in ResNet-18, at 224 with an occluder of 32, all layers up to layer 2."""
    network = torchvisions("resnet18")
    tape = record(network, (3, 224, 224))
    occlusion = Occlusion(tape, torch.zeros(3, 224, 224), torch.zeros(3, 224, 224))
    plan = occlusion.plan(occluders(224, 32, 32))
    assert {"conv1", "layer1.1.conv2", "layer2.0.conv1"} <= {tape.calls[index].name for index in plan if index >= 0}
