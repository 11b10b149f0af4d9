"""The deconvnet on receptive fields equals that on whole images, cut: everywhere, at the borders too."""

import pytest
import torch

from tests.convnet.conftest import random_images, small_network
from tests.convnet.test_deconvnet import GRADIENT, OVERWRITE, SUM
from zfpipe.convnet import windows
from zfpipe.convnet.deconvnet import Units, project
from zfpipe.convnet.network import ConvNet
from zfpipe.convnet.receptive_field import receptive_field
from zfpipe.params import Deconvnet


def everywhere(network: ConvNet, layer: int) -> Units:
    """Units in all corners, on all borders, inside, and where the ceil-mode pooling hangs over."""
    (conv,) = (conv for conv in network.architecture.convs if conv.layer == layer)
    last = conv.map_size - 1
    places = sorted({0, 1, last // 2, last - 1, last} & set(range(last + 1)))
    ys, xs = torch.cartesian_prod(torch.tensor(places), torch.tensor(places)).unbind(1)
    maps = torch.arange(len(ys)) % conv.maps
    return Units(layer, maps, ys, xs)


@pytest.mark.parametrize("settings", [SUM, GRADIENT, OVERWRITE], ids=["sum", "gradient", "overwrite"])
@pytest.mark.parametrize("layer", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("crop", [199, 224])
@pytest.mark.parametrize("kind", ["zfnet", "alexnet", "vgg"])
def test_windows_equal_whole_images(kind: str, crop: int, layer: int, settings: Deconvnet) -> None:
    network = small_network(kind, crop=crop)
    units = everywhere(network, layer)
    images = random_images(1, crop).expand(len(units.maps), -1, -1, -1)
    cut, activations = windows.project_windows(network, images, units, settings)
    whole, expected = project(network, images, units, settings)
    field = receptive_field(network.architecture, layer)
    torch.testing.assert_close(activations, expected, rtol=1e-4, atol=1e-5 * expected.max().item())
    assert (expected > 0).any()
    for row, (y, x) in enumerate(zip(units.ys.tolist(), units.xs.tolist(), strict=True)):
        (top, _), (left, _) = field.span(y), field.span(x)
        slow = torch.zeros(3, field.size, field.size)
        for i in range(max(0, -top), min(field.size, crop - top)):
            first, last = max(0, -left), min(field.size, crop - left)
            slow[:, i, first:last] = whole[row, :, top + i, left + first : left + last]
        assert slow.abs().sum().item() == pytest.approx(whole[row].abs().sum().item(), rel=1e-4), "nothing lies beyond"
        torch.testing.assert_close(cut[row], slow, rtol=1e-4, atol=1e-5 * whole.abs().max().item())


def test_small_fields_do_not_compute_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network("zfnet", crop=224)
    monkeypatch.setattr(windows, "project", None)
    units = everywhere(network, 3)
    windows.project_windows(network, random_images(1, 224).expand(len(units.maps), -1, -1, -1), units, SUM)


def test_dropped_layers() -> None:
    network = small_network("no 3, 4", crop=224)
    units = everywhere(network, 5)
    images = random_images(1, 224).expand(len(units.maps), -1, -1, -1)
    cut, _ = windows.project_windows(network, images, units, SUM)
    whole, _ = project(network, images, units, SUM)
    torch.testing.assert_close(cut.sum((1, 2, 3)), whole.sum((1, 2, 3)), rtol=1e-3, atol=1e-3)
