"""Test that captum's methods see the same network, and give what their definitions say."""

import numpy as np
import pytest
import torch

from tests.networks import KINDS, random_images, small_network
from zfpipe.network.convnet import ConvNet
from zfpipe.probes import attribution


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_modules_compute_what_the_network_computes(kind: str) -> None:
    network, images = small_network(kind), random_images(2)
    row, last = attribution.modules(network)
    seen = []
    last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        torch.testing.assert_close(row(images), network(images))
        *_, trace = network.trace(images)
    torch.testing.assert_close(seen[0], trace.rectified)
    assert sum(weight.numel() for weight in row.parameters()) == sum(weight.numel() for weight in network.parameters())


@pytest.fixture(scope="module")
def network() -> ConvNet:
    return small_network("zfnet")


def gradient(network: ConvNet, image: torch.Tensor, label: int) -> torch.Tensor:
    pixels = image[None].clone().requires_grad_()
    return torch.autograd.grad(network(pixels)[0, label], pixels)[0][0]


def test_saliency_and_integrated_gradients_are_as_defined(network: ConvNet) -> None:
    image, fill = random_images(1)[0], torch.full((3, 121, 121), 7.0)
    methods = attribution.methods(network, fill)
    assert list(methods) == ["saliency", "guided backpropagation", "Grad-CAM", "integrated gradients"]
    expected = gradient(network, image, 3).abs().amax(0)
    np.testing.assert_allclose(
        methods["saliency"](image, 3), expected.numpy(), rtol=1e-3, atol=1e-5 * float(expected.max())
    )
    points, weights = np.polynomial.legendre.leggauss(attribution.STEPS)
    on_the_way = sum(
        weight / 2 * gradient(network, fill + (point + 1) / 2 * (image - fill), 3)
        for point, weight in zip(points.tolist(), weights.tolist(), strict=True)
    )
    expected = ((image - fill) * on_the_way).abs().sum(0)
    found = methods["integrated gradients"](image, 3)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-2, atol=1e-3 * float(expected.max()))


def test_grad_cam_is_the_weighted_sum_of_the_last_maps(network: ConvNet) -> None:
    image = random_images(1)[0]
    row, last = attribution.modules(network)
    kept: list = []
    last.register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = row(image[None].requires_grad_())
    (slope,) = torch.autograd.grad(logits[0, 2], kept[0])
    camera = (slope.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).relu()
    expected = torch.nn.functional.interpolate(camera, (121, 121), mode="bilinear")[0, 0].detach()
    found = attribution.methods(network, image * 0)["Grad-CAM"](image, 2)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-5 * float(expected.max()))
    assert found.max() > 0


def test_guided_backpropagation_applies_both_rules_of_the_relu(network: ConvNet) -> None:
    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx, signal):
            ctx.save_for_backward(signal)
            return signal.relu()

        @staticmethod
        def backward(ctx, above):  # type: ignore[override]
            (signal,) = ctx.saved_tensors
            return above.relu() * (signal > 0)

    image = random_images(1)[0]
    row, _ = attribution.modules(network)
    pixels = image[None].clone().requires_grad_()
    signal = pixels
    for module in row:
        signal = Guided.apply(signal) if isinstance(module, torch.nn.ReLU) else module(signal)
    (slope,) = torch.autograd.grad(signal[0, 1], pixels)  # type: ignore[index]
    expected = slope[0].abs().sum(0)
    found = attribution.methods(network, image * 0)["guided backpropagation"](image, 1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-5 * float(expected.max()))
    assert attribution.methods(network, image * 0)["saliency"](image, 1).max() > 0, (
        "hooks of guided backpropagation remain"
    )
