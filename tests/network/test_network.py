"""Test the network: normalisation against torch's, forward pass against trace and oracle, initial weights."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from tests.networks import KINDS, SETTINGS, random_images, small_network
from tests.oracles import convnet as oracle
from zfpipe import sections
from zfpipe.errors import UserError
from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet, band, initialise, normalised


@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (3, 0.75), (5, 0.5), (4, 0.75), (1, 1.0)])
def test_normalisation_equals_torch(size: int, beta: float) -> None:
    norm = sections.Norm(size=size, k=2.0, alpha=0.0005, beta=beta)
    maps = random_images(2, 9)[:, :1].expand(2, 7, 9, 9) * torch.arange(1, 8)[None, :, None, None]
    expected = nn.LocalResponseNorm(size, alpha=0.0005, beta=beta, k=2.0)(maps)
    assert not torch.allclose(expected, maps * 2**-beta, rtol=0.05), "the neighbours must matter in this test"
    torch.testing.assert_close(normalised(maps, band(7, size), norm), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (4, 0.75), (5, 0.5)])
def test_the_normalisations_gradient_is_exact(size: int, beta: float) -> None:
    """Compare with finite differences and with torch.

    Neighbours differ on both sides, so that a wrong direction fails.
    """
    norm = sections.Norm(size=size, k=2.0, alpha=0.5, beta=beta)
    maps = torch.randn(2, 7, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda maps: normalised(maps, band(7, size), norm), maps)
    slow = nn.LocalResponseNorm(size, alpha=0.5, beta=beta, k=2.0)(maps)
    weights = torch.randn(slow.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad(found, maps, weights)[0] for found in (normalised(maps, band(7, size), norm), slow)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_gradients_equal_those_of_the_plain_layers(kind: str) -> None:
    """The order is the paper's: pixels are scaled first, ReLU stands before the pool.

    The normalisation is torch's own.
    """
    network, images = small_network(kind), random_images(3) / 8
    network.input_scale = 0.1
    signal = images * network.input_scale
    for conv in network.architecture.convs:
        signal = torch.relu(network.conv(conv.layer)(signal))
        for step in ("norm", "pool") if network.norm.before_pool else ("pool", "norm"):
            if step == "pool" and conv.pool:
                signal = functional.max_pool2d(signal, conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)
            if step == "norm" and conv.normed:
                norm = network.norm
                signal = functional.local_response_norm(signal, norm.size, norm.alpha / 0.1**2, norm.beta, norm.k)
    expected, found = network.classify(signal), network(images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    for name, weight in network.named_parameters():
        slow, fast = (torch.autograd.grad(one, weight, weights, retain_graph=True)[0] for one in (expected, found))
        assert slow.any()
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5 * float(slow.abs().max()), msg=name)


@pytest.mark.parametrize("kind", ["zfnet", "alexnet", "vgg"])
def test_forward_equals_the_slow_twin(kind: str) -> None:
    network = small_network(kind, crop=65)
    image = random_images(1, 65)
    layers, norm, before_pool = plain(network)
    traces = oracle.up(image[0].double().numpy(), layers, norm, before_pool)
    with torch.no_grad():
        fast = list(network.trace(image))
    for slow, quick in zip(traces, fast, strict=True):
        np.testing.assert_allclose(quick.rectified[0].numpy(), slow.rectified, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(quick.output[0].numpy(), slow.output, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scale", [1 / 32, 1 / 16, 4.0])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_scaled_pixels_scale_every_layer_alike(kind: str, scale: float) -> None:
    """With equal filters and biases scaled alike, every value in every layer is scaled alike."""
    network, other, images = small_network(kind), small_network(kind), random_images(2)
    other.input_scale = scale
    for name, bias in other.named_parameters():
        if name.endswith("bias"):
            bias.data *= scale
    with torch.no_grad():
        for one, same in zip(network.trace(images), other.trace(images), strict=True):
            torch.testing.assert_close(same.output, one.output * scale, rtol=1e-4, atol=1e-4 * scale)
            if one.normed is not None:
                factors = (one.output.amax((1, 2, 3)) / one.normed.amax((1, 2, 3))).max()
                assert factors < 0.95 * network.norm.k**-network.norm.beta, "the neighbours must matter in this test"
        torch.testing.assert_close(other(images), network(images) * scale, rtol=1e-3, atol=1e-3 * scale)


def test_krizhevskys_normalisation_stands_before_the_pool() -> None:
    """Section 5.1 calls this the "exact architecture".

    In the network of Fig. 3, the normalisation stands after the pool.
    """
    assert SETTINGS.alexnet.norm.before_pool and not SETTINGS.model.norm.before_pool
    for kind, side in (("zfnet", "output"), ("alexnet", "rectified")):
        traces = list(small_network(kind).trace(random_images(1)))
        assert [trace.normed is not None for trace in traces] == [True, True, False, False, False]
        for trace in traces[:2]:
            assert trace.normed is not None and trace.normed.shape == getattr(trace, side).shape


def test_forward_goes_through_the_traced_layers(network: ConvNet) -> None:
    images = random_images(3)
    with torch.no_grad():
        *_, last = network.trace(images)
        logits = last.output.flatten(1)
        for dense in network.architecture.denses:
            logits = network.denses[str(dense.layer)](logits)
            logits = logits.relu() if dense.kind == "hidden" else logits
        torch.testing.assert_close(network(images), logits)


def test_dropout_only_while_training() -> None:
    network, images = small_network("zfnet"), random_images(2)
    assert torch.equal(network(images), network(images))
    network.train()
    assert not torch.equal(network(images), network(images))


def test_initial_weights_have_their_deviations() -> None:
    network = weights.build(SETTINGS.model, 128, 24)
    initialise(network, "gaussian", 0.01, seed=3)
    for module in (*network.convs.values(), *network.denses.values()):
        assert module.get_parameter("weight").std().item() == pytest.approx(0.01, rel=0.05)
        assert not module.get_parameter("bias").any()
    initialise(network, "he", 0.01, seed=3)
    assert network.conv(3).weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.05)
    first = math.sqrt(2 / 147) / (64 * network.input_scale)
    assert network.conv(1).weight.std().item() == pytest.approx(first, rel=0.05)
    assert network.denses["8"].get_parameter("weight").std().item() == pytest.approx(0.01, rel=0.05)
    whole = network.conv(1).weight.clone()
    initialise(network, "he", 0.01, seed=3, first=0.1)
    assert network.conv(3).weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.05)
    torch.testing.assert_close(network.conv(1).weight, 0.1 * whole)
    other = weights.build(SETTINGS.model, 128, 24)
    initialise(other, "he", 0.01, seed=4)
    assert not torch.equal(other.conv(1).weight, network.conv(1).weight)


def test_saved_weights_are_read_back(tmp_path) -> None:
    for kind in KINDS:
        network = small_network(kind)
        weights.save(network, tmp_path / "weights.safetensors")
        back = weights.load(tmp_path / "weights.safetensors", torch.device("cpu"))
        images = random_images(2)
        torch.testing.assert_close(back(images), network(images))
        first = (tmp_path / "weights.safetensors").read_bytes()
        weights.save(back, tmp_path / "weights.safetensors")
        assert (tmp_path / "weights.safetensors").read_bytes() == first


def test_damaged_or_foreign_weights_are_refused(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    weights.save(small_network("stride 4"), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="does not hold a network's weights"):
        weights.load(path, torch.device("cpu"))
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="does not hold a network's weights"):
        weights.load(path, torch.device("cpu"))


def plain(network: ConvNet) -> tuple[list[oracle.PlainLayer], tuple[int, float, float, float], bool]:
    """Return the network for the slow twin, which does not scale pixels."""
    assert network.input_scale == 1
    layers = []
    for conv in network.architecture.convs:
        module = network.conv(conv.layer)
        assert module.bias is not None
        layers.append(
            oracle.PlainLayer(
                module.weight.detach().double().numpy(),
                module.bias.detach().double().numpy(),
                conv.stride,
                conv.padding,
                (conv.pool.size, conv.pool.stride, conv.pool.ceil) if conv.pool else None,
                conv.normed,
            )
        )
    norm = network.norm
    return layers, (norm.size, norm.k, norm.alpha, norm.beta), norm.before_pool
