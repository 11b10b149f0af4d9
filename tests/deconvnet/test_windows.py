"""Test that the deconvnet on receptive fields equals the deconvnet on whole images, cut, also at the borders."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.deconvnet.test_deconvnet import GRADIENT, OVERWRITE, SUM
from tests.networks import KINDS, random_images, small_network
from zfpipe.deconvnet import windows
from zfpipe.deconvnet.deconvnet import Units, project, unpooled
from zfpipe.network.convnet import ConvNet
from zfpipe.network.receptive_field import receptive_field
from zfpipe.sections import Deconvnet

MAPS, MAPS_IN = (96, 256, 384, 384, 256), (3, 96, 256, 384, 384)
"""Numbers of maps of the paper's layers, and of the layers below."""


def everywhere(network: ConvNet, layer: int) -> Units:
    """Return units in all corners, on all borders, inside, and where the ceil-mode pooling overhangs."""
    (conv,) = (conv for conv in network.architecture.convs if conv.layer == layer)
    last = conv.map_size - 1
    places = sorted({0, 1, last // 2, last - 1, last} & set(range(last + 1)))
    ys, xs = torch.cartesian_prod(torch.tensor(places), torch.tensor(places)).unbind(1)
    maps = torch.arange(len(ys)) % conv.maps
    return Units(layer, maps, ys, xs)


def alone(network: ConvNet, images: Tensor, units: Units, settings: Deconvnet) -> tuple[Tensor, Tensor]:
    """Project units of one layer, each in another image."""
    [found] = windows.project_windows(network, images, [(units, torch.arange(len(images)))], settings)
    return found


def cut_by_hand(network: ConvNet, images: Tensor, units: Units, settings: Deconvnet) -> tuple[Tensor, Tensor]:
    """Return the projections on whole images, one for each unit, cut in plain loops, and the activations."""
    crop, field = network.architecture.crop, receptive_field(network.architecture, units.layer)
    whole, activations = project(network, images, units, settings)
    assert (activations > 0).any()
    slow = torch.zeros(len(whole), 3, field.size, field.size)
    for row, (y, x) in enumerate(zip(units.ys.tolist(), units.xs.tolist(), strict=True)):
        (top, _), (left, _) = field.span(y), field.span(x)
        for i in range(max(0, -top), min(field.size, crop - top)):
            first, last = max(0, -left), min(field.size, crop - left)
            slow[row, :, i, first:last] = whole[row, :, top + i, left + first : left + last]
        sums = [pixels[row].abs().sum().item() for pixels in (slow, whole)]
        assert sums[0] == pytest.approx(sums[1], rel=1e-4), "the projection leaves the receptive field"
    return slow, activations


def assert_equal(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * other.abs().max().item())


@pytest.mark.parametrize(
    ("crop", "settings"),
    [(199, SUM), (199, GRADIENT), (199, OVERWRITE), (224, SUM)],
    ids=["199-sum", "199-gradient", "199-overwrite", "224-sum"],
)
@pytest.mark.parametrize("layer", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["zfnet", "alexnet", "vgg"])
def test_windows_equal_whole_images(kind: str, crop: int, layer: int, settings: Deconvnet) -> None:
    network = small_network(kind, crop=crop)
    units = everywhere(network, layer)
    images = random_images(1, crop).expand(len(units.maps), -1, -1, -1)
    assert_equal(alone(network, images, units, settings), cut_by_hand(network, images, units, settings))


@pytest.mark.parametrize("settings", [SUM, GRADIENT, OVERWRITE], ids=["sum", "gradient", "overwrite"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_any_number_of_shared_layers_gives_the_same(
    kind: str, settings: Deconvnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The units of all layers, several in an image and none in one image, share the layers up to each depth."""
    network, images = small_network(kind), random_images(4)
    monkeypatch.setattr(windows, "BATCH", 7)
    layers, expected = [], []
    for conv in network.architecture.convs:
        units = everywhere(network, conv.layer)
        rows = torch.arange(len(units.maps)) * 5 % 3
        layers.append((units, rows))
        expected.append(cut_by_hand(network, images[rows], units, settings))
    for depth in range(len(layers) + 1) if settings.unpooling == "sum" else (0,):
        monkeypatch.setattr(windows, "shared_layers", lambda *_, depth=depth: depth)
        found = windows.project_windows(network, images, layers, settings)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)


def test_the_depth_with_the_least_work_is_chosen() -> None:
    """The multiply-adds of the paper's network are counted by hand."""
    convs = small_network("zfnet", crop=224).architecture.convs
    convs = [
        replace(conv, maps=maps, maps_in=maps_in) for conv, maps, maps_in in zip(convs, MAPS, MAPS_IN, strict=True)
    ]
    assert windows.multiply_adds(convs[0], 110) == 110**2 * 96 * 3 * 7**2
    # Layer 1 takes 170.8 million on a whole image, and 63.3 million on the window of a layer-5 unit. Layer 2 takes
    # 415.3 and 138.2 million.
    for units, depth in ((1, 0), (2, 0), (3, 1), (4, 2)):
        middle = torch.full((units,), 6)
        assert windows.shared_layers(convs, 1, [Units(5, middle, middle, middle)]) == depth
        assert windows.shared_layers(convs, 4, [Units(5, middle, middle, middle)]) == 0
        assert windows.shared_layers(convs, 1, [Units(2, middle, middle, middle)]) == 0


def test_one_unit_at_a_time_gives_the_same() -> None:
    network, images = small_network("zfnet"), random_images(2)
    units, rows = everywhere(network, 5), torch.arange(25) % 2
    [(together, _)] = windows.project_windows(network, images, [(units, rows)], SUM)
    for unit in range(25):
        part = slice(unit, unit + 1)
        one = Units(5, units.maps[part], units.ys[part], units.xs[part])
        [(single, _)] = windows.project_windows(network, images, [(one, rows[part])], SUM)
        torch.testing.assert_close(single[0], together[unit], rtol=1e-4, atol=1e-5 * together.abs().max().item())


def test_painting_is_unpooling_rectifying_and_filtering() -> None:
    """Compare the compiled step down with torch's, which other devices take. Some windows share a switch."""
    network, images = small_network("zfnet"), random_images(3)
    with torch.no_grad():
        traces = list(network.trace(images, 2))
        for conv, trace in zip(network.architecture.convs, traces, strict=False):
            signal = torch.randn(trace.output.shape, generator=torch.Generator().manual_seed(conv.layer))
            filters = network.conv(conv.layer).weight
            plain = functional.conv_transpose2d(unpooled(signal, trace, "sum").relu(), filters, stride=conv.stride)
            painted = windows.down(signal, trace, filters, conv)
            assert plain.abs().max() > 0
            torch.testing.assert_close(painted, plain, rtol=1e-4, atol=1e-5 * plain.abs().max().item())


def test_small_fields_do_not_compute_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network("zfnet", crop=224)
    monkeypatch.setattr(windows, "project", None)
    units = everywhere(network, 3)
    alone(network, random_images(1, 224).expand(len(units.maps), -1, -1, -1), units, SUM)


def test_dropped_layers() -> None:
    network = small_network("no 3, 4", crop=224)
    units = everywhere(network, 5)
    images = random_images(1, 224).expand(len(units.maps), -1, -1, -1)
    cut, _ = alone(network, images, units, SUM)
    whole, _ = project(network, images, units, SUM)
    torch.testing.assert_close(cut.sum((1, 2, 3)), whole.sum((1, 2, 3)), rtol=1e-3, atol=1e-3)
