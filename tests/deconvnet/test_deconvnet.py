"""Test the deconvnet against its slow twin, as a transpose, against captum, and in each trap of the paper."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.network.test_network import plain
from tests.networks import KINDS, random_images, small_network
from tests.oracles import convnet as oracle
from zfpipe import sections
from zfpipe.deconvnet.deconvnet import Units, filtered_down, project, to_rectified, unnormalised, unpooled
from zfpipe.network.convnet import ConvNet

SUM = sections.Deconvnet(unpooling="sum", norm="skip")
OVERWRITE = sections.Deconvnet(unpooling="overwrite", norm="skip")
IDENTITY = sections.Norm(size=5, k=1.0, alpha=0.0, beta=0.75)
"""A normalisation that divides by exactly one."""
GRADIENT = sections.Deconvnet(unpooling="sum", norm="gradient")


def strongest(network: ConvNet, images: torch.Tensor, layer: int) -> Units:
    """Return the unit with the largest activation on each image."""
    *_, trace = network.trace(images, layer)
    places = trace.rectified.flatten(1).argmax(1)
    side = trace.rectified.shape[-1]
    return Units(layer, places // side**2, places % side**2 // side, places % side)


@pytest.mark.parametrize("settings", [SUM, OVERWRITE], ids=["sum", "overwrite"])
@pytest.mark.parametrize("layer", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["zfnet", "alexnet", "vgg"])
def test_projection_equals_the_slow_twin(kind: str, layer: int, settings: sections.Deconvnet) -> None:
    network, images = small_network(kind, crop=65), random_images(2, 65)
    with torch.no_grad():
        units = strongest(network, images, layer)
    pixels, activations = project(network, images, units, settings)
    layers, norm, before_pool = plain(network)
    for row in range(2):
        image = images[row].double().numpy()
        traces = oracle.up(image, layers[:layer], norm, before_pool)
        start = (int(units.maps[row]), int(units.ys[row]), int(units.xs[row]))
        slow = oracle.down(image, layers[:layer], traces, start, settings.unpooling == "overwrite")
        assert activations[row].item() == pytest.approx(traces[-1].rectified[start], rel=1e-4)
        assert np.abs(slow).max() > 0
        np.testing.assert_allclose(pixels[row].numpy(), slow, rtol=1e-3, atol=1e-4 * np.abs(slow).max())


def test_the_two_unpoolings_differ_where_windows_share_a_switch() -> None:
    network, images = small_network("zfnet"), random_images(8)
    *_, trace = network.trace(images, 2)
    assert trace.switches is not None
    signal = torch.ones_like(trace.output)
    summed, kept = (unpooled(signal, trace, rule) for rule in ("sum", "overwrite"))
    shared = sum(len(switches) - len(switches.unique()) for switches in trace.switches.flatten(2).flatten(0, 1))
    assert shared > 0
    assert summed.sum().item() == pytest.approx(signal.sum().item())
    assert kept.sum().item() == pytest.approx(signal.sum().item() - shared)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_step_down_is_the_transpose_of_the_step_up(kind: str) -> None:
    network, images = small_network(kind), random_images(2)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        below = images
        for trace in network.trace(images):
            conv = next(conv for conv in network.architecture.convs if conv.layer == trace.layer)
            weight = network.conv(trace.layer).weight
            above = torch.randn(trace.rectified.shape, generator=generator)
            up = functional.conv2d(below, weight, stride=conv.stride, padding=conv.padding)
            down = filtered_down(above, weight, conv)
            assert down.shape == below.shape
            assert (up * above).sum().item() == pytest.approx((below * down).sum().item(), rel=1e-3, abs=1e-2)
            if trace.switches is not None:
                above = torch.randn(trace.output.shape, generator=generator)
                down = unpooled(above, trace, "sum")
                up = trace.rectified.flatten(2).gather(2, trace.switches.flatten(2)).view(trace.output.shape)
                assert (up * above).sum().item() == pytest.approx((trace.rectified * down).sum().item(), rel=1e-3)
            below = trace.output


def test_with_positive_weights_the_deconvnet_is_the_gradient() -> None:
    """Weights and images are positive and the normalisation divides by one, so that both are the transpose."""
    network = small_network("zfnet")
    network.norm = IDENTITY
    for conv in network.convs.values():
        conv.get_parameter("weight").data.abs_()
        conv.get_parameter("bias").data.abs_()
    images = random_images(3).abs().requires_grad_()
    units = strongest(network, images, 5)
    pixels, activations = project(network, images, units, SUM)
    *_, trace = network.trace(images, 5)
    chosen = trace.rectified[torch.arange(3), units.maps, units.ys, units.xs]
    (gradient,) = torch.autograd.grad(chosen.sum(), images)
    torch.testing.assert_close(pixels, gradient * activations[:, None, None, None], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_step_down_to_the_rectified_map_is_the_transpose_of_pool_and_normalisation(kind: str) -> None:
    """Pool and normalisation come in either order. The check uses finite differences in double precision."""
    network, images = small_network(kind).double(), random_images(2).double()
    generator = torch.Generator().manual_seed(9)
    for trace, conv in zip(network.trace(images), network.architecture.convs, strict=True):
        rectified = trace.rectified.detach()
        change = 1e-5 * torch.randn(rectified.shape, generator=generator, dtype=torch.float64) * (rectified > 0)
        above = torch.randn(trace.output.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            up = network.finish(conv, rectified + change) - network.finish(conv, rectified - change)
        down = to_rectified(network, trace, above, GRADIENT)
        assert (up / 2 * above).sum().item() == pytest.approx((change * down).sum().item(), rel=1e-4)
        if trace.normed is not None:
            assert not torch.allclose(down, to_rectified(network, trace, above, SUM), rtol=0.01)


@pytest.mark.parametrize("kind", ["zfnet", "alexnet"])
def test_the_step_down_through_the_normalisation_is_its_gradient(kind: str) -> None:
    network, images = small_network(kind), random_images(2)
    (trace,) = network.trace(images, 1)
    assert trace.normed is not None
    signal = torch.randn(trace.normed.shape, generator=torch.Generator().manual_seed(5))
    down = unnormalised(network, trace, signal, "gradient").double()
    pooled, signal, norm = trace.normed.detach().double(), signal.double(), network.norm
    slow = torch.zeros_like(pooled)  # the derivative of out[c] by in[j], term by term
    for c in range(pooled.shape[1]):
        near = range(max(0, c - norm.size // 2), min(pooled.shape[1], c + norm.size // 2 + 1))
        base = norm.k + norm.alpha / norm.size * sum(pooled[:, other] ** 2 for other in near)
        slow[:, c] += signal[:, c] * base**-norm.beta
        for j in near:
            inner = 2 * norm.alpha / norm.size * pooled[:, j]
            slow[:, j] -= signal[:, c] * pooled[:, c] * norm.beta * base ** (-norm.beta - 1) * inner
    torch.testing.assert_close(down, slow, rtol=1e-3, atol=1e-4)
    assert torch.equal(unnormalised(network, trace, signal.float(), "skip").double(), signal)


def test_the_relu_rule_is_neither_the_gradient_nor_guided_backpropagation() -> None:
    network, images = small_network("zfnet"), random_images(4)
    units = strongest(network, images, 4)
    pixels, _ = project(network, images, units, GRADIENT)

    def backpropagated(guided: bool) -> torch.Tensor:
        class Rule(torch.autograd.Function):
            @staticmethod
            def forward(ctx, maps):
                ctx.save_for_backward(maps)
                return maps.relu()

            @staticmethod
            def backward(ctx, *grads):
                (maps,) = ctx.saved_tensors
                return (grads[0].relu() if guided else grads[0]) * (maps > 0)

        inputs = images.clone().requires_grad_()
        signal = inputs
        for conv in network.architecture.convs[:4]:
            signal = Rule.apply(network.conv(conv.layer)(signal))
            top = signal
            if conv.pool:
                signal = functional.max_pool2d(signal, 3, 2, ceil_mode=True)
            if conv.normed:
                signal = network.normalise(conv.layer, signal)
        chosen = top[torch.arange(4), units.maps, units.ys, units.xs]
        (gradient,) = torch.autograd.grad((chosen * chosen.detach()).sum(), inputs)
        return gradient

    for other in (backpropagated(False), backpropagated(True)):
        assert (pixels - other).abs().max() > 0.05 * pixels.abs().max()


def test_biases_do_not_change_the_step_down() -> None:
    network, images = small_network("zfnet"), random_images(2)
    with torch.no_grad():
        *_, trace = network.trace(images, 1)
        conv = network.architecture.convs[0]
        before = filtered_down(trace.rectified, network.conv(1).weight, conv)
        network.conv(1).get_parameter("bias").fill_(100.0)
        assert torch.equal(before, filtered_down(trace.rectified, network.conv(1).weight, conv))
    assert before.min() < 0, "the last step is a filter, which must give negative values"


def test_layer_1_is_the_filter_times_the_activation() -> None:
    """In the simplest case, one activation of layer 1 paints its own filter, unflipped, in its receptive field."""
    network, images = small_network("zfnet"), random_images(1)
    units = Units(1, torch.tensor([2]), torch.tensor([10]), torch.tensor([7]))
    pixels, activations = project(network, images, units, SUM)
    weight = network.conv(1).weight[2].detach() * activations[0]
    torch.testing.assert_close(pixels[0, :, 19:26, 13:20], weight)
    pixels[0, :, 19:26, 13:20] = 0
    assert not pixels.any()


def test_a_batch_equals_single_images(network: ConvNet) -> None:
    images = random_images(5)
    units = strongest(network, images, 5)
    together, _ = project(network, images, units, SUM)
    for row in range(5):
        alone = Units(5, units.maps[row : row + 1], units.ys[row : row + 1], units.xs[row : row + 1])
        single, _ = project(network, images[row : row + 1], alone, SUM)
        torch.testing.assert_close(together[row], single[0], rtol=1e-4, atol=1e-5 * together[row].abs().max().item())


def test_the_input_scale_is_part_of_the_forward_pass_and_of_its_transpose() -> None:
    network, images = small_network("zfnet"), random_images(2)
    units = strongest(network, images, 3)
    pixels, activations = project(network, images, units, SUM)
    network.input_scale = 0.5
    # Gives the layers equal values.
    network.norm = network.norm.model_copy(update={"alpha": network.norm.alpha * 0.5**2})
    scaled, same = project(network, images * 2, units, SUM)
    torch.testing.assert_close(same, activations)
    torch.testing.assert_close(scaled, pixels * 0.5)


def test_a_dead_unit_projects_to_nothing() -> None:
    network, images = small_network("zfnet"), random_images(1)
    network.conv(3).get_parameter("bias").data.fill_(-1e6)
    pixels, activations = project(network, images, Units(3, *(torch.tensor([1]),) * 3), SUM)
    assert activations.item() == 0
    assert not pixels.any()


def test_the_deconvnet_equals_captum_without_normalisation() -> None:
    from captum.attr import Deconvolution

    class Unnormed(nn.Module):
        """Hold the convolution layers in the form that captum can hook: ReLU modules, no normalisation."""

        def __init__(self, network: ConvNet):
            super().__init__()
            modules: list[nn.Module] = []
            for conv in network.architecture.convs:
                modules += [network.conv(conv.layer), nn.ReLU()]
                if conv.pool and conv.layer < 5:
                    modules.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            self.layers = nn.Sequential(*modules)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layers(images).flatten(1)

    network = small_network("zfnet")
    network.norm = IDENTITY
    images = random_images(3)
    *_, trace = network.trace(images, 5)
    units = strongest(network, images, 5)
    pixels, activations = project(network, images, units, SUM)
    side = trace.rectified.shape[-1]
    targets = (units.maps * side + units.ys) * side + units.xs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Deconvolution(Unnormed(network)).attribute(images.clone(), target=targets)
    theirs = theirs * activations[:, None, None, None]
    assert theirs.abs().max() > 0
    torch.testing.assert_close(pixels, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())
