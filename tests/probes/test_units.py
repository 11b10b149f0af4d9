"""Test units of the fully connected layers: strongest images against a full sort, projections against slow twins."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.conftest import CROP, label_of
from tests.network.test_network import plain
from tests.networks import KINDS, random_images, small_network
from tests.oracles import convnet as oracle
from zfpipe import sections
from zfpipe.drawing.picture import CLASSES
from zfpipe.network.convnet import ConvNet
from zfpipe.probes import units
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches

SUM = sections.Deconvnet(unpooling="sum", norm="skip")
OVERWRITE = sections.Deconvnet(unpooling="overwrite", norm="skip")


@pytest.mark.parametrize("processes", [1, 3])
def test_the_strongest_equal_a_full_sort(
    beton: Path, inputs: MeanSubtraction, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "HIDDEN", 10)
    network = small_network("zfnet", CROP)
    for layer in ("6", "8"):
        # The unit is dead: equal on all images in layer 6, negative on all in layer 8.
        network.denses[layer].get_parameter("bias").data[1] = -1e6
    parts = []
    for number in range(processes):
        with Batches(beton, batch=33, crop=CROP, crops="centre", part=(number, processes)) as batches:
            parts.append(units.measure(network, inputs.ahead(batches.epoch()), 9))
    found = units.tables(parts, network.architecture, CLASSES, 9)
    strongest, every = found["strongest.parquet"], found["units.parquet"].set_index(["layer", "unit"])
    with Batches(beton, batch=100, crop=CROP, crops="centre") as batches, torch.no_grad():
        (batch,) = batches.epoch()
        *_, trace = network.trace(inputs(batch))
        for layer, of_layer in network.dense(trace.output):
            tops: dict[int, list[tuple[float, int]]] = {}
            for unit, column in enumerate(of_layer.T.tolist()):
                order = sorted((-value, image) for value, image in zip(column, batch.ids.tolist(), strict=True))[:9]
                tops[unit] = [(-value, image) for value, image in order]
                row = every.loc[(layer, unit)]
                assert row["mean"] == pytest.approx(np.mean(column), rel=1e-4, abs=1e-5)
                assert row["fires"] == sum(value > 0 for value in column) / 100
                assert row["strength"] == pytest.approx(np.mean([value for value, _ in tops[unit]]), rel=1e-4)
            kept: list[int] = []
            for unit in sorted(tops, key=lambda unit: -sum(value for value, _ in tops[unit])):
                if layer == 8 or tops[unit][0][1] not in [tops[other][0][1] for other in kept]:
                    kept.append(unit)
            rows = strongest[strongest["layer"] == layer]
            assert sorted(set(rows["unit"].tolist())) == sorted(kept[: None if layer == 8 else 10])
            for unit, top in rows.groupby("unit"):
                values, ids = zip(*tops[int(str(unit))], strict=True)
                assert top["id"].tolist() == list(ids) and top["rank"].tolist() == list(range(9))
                np.testing.assert_allclose(top["activation"], values, rtol=1e-4)
    assert strongest["label"].tolist() == [label_of(image) for image in strongest["id"]]


def test_keys_order_by_activation_and_then_by_smaller_id() -> None:
    values = [-1e30, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.5, 1e30]
    pairs = [(value, image) for value in values for image in (0, 7, units.LARGEST_ID)]
    shuffled = [pairs[place] for place in np.random.default_rng(0).permutation(len(pairs))]
    made = torch.cat([units.keys(torch.tensor([[value]]), torch.tensor([image])) for value, image in shuffled])
    read, ids = units.read(made.sort(dim=0, descending=True).values[:, 0].numpy())
    expected = sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
    assert ids.tolist() == [image for _, image in expected]
    np.testing.assert_array_equal(read, np.array([value for value, _ in expected], np.float32))


def chosen(network: ConvNet, images: torch.Tensor, layer: int) -> torch.Tensor:
    """Return the unit with the largest value on each image."""
    with torch.no_grad():
        *_, trace = network.trace(images)
        return dict(network.dense(trace.output))[layer].argmax(1)


def slow(network: ConvNet, image: np.ndarray, layer: int, unit: int, overwrite: bool) -> np.ndarray:
    """Project a unit number by number, from the definition."""
    layers, norm, before_pool = plain(network)
    traces = oracle.up(image, layers, norm, before_pool)
    maps = traces[-1].output
    signal = np.array(maps).ravel()
    denses = [dense for dense in network.architecture.denses if dense.layer <= layer]
    weights = [network.denses[str(dense.layer)].get_parameter("weight").detach().double().numpy() for dense in denses]
    for dense, weight in zip(denses, weights, strict=True):
        signal = weight @ signal + network.denses[str(dense.layer)].get_parameter("bias").detach().double().numpy()
        signal = np.maximum(signal, 0) if dense.kind == "hidden" else signal
    signal = np.where(np.arange(len(signal)) == unit, signal, 0)
    for weight in weights[::-1]:
        signal = np.array([sum(max(value, 0) * row[i] for value, row in zip(signal, weight, strict=True))
                           for i in range(weight.shape[1])])  # fmt: skip
    below = signal.reshape(maps.shape)
    return oracle.descend(image, layers, traces, oracle.unpool(below, traces[-1], overwrite), overwrite)


@pytest.mark.parametrize("settings", [SUM, OVERWRITE], ids=["sum", "overwrite"])
@pytest.mark.parametrize("layer", [6, 7, 8])
@pytest.mark.parametrize("kind", ["zfnet", "vgg"])
def test_projection_equals_the_slow_twin(kind: str, layer: int, settings: sections.Deconvnet) -> None:
    network, images = small_network(kind, crop=65), random_images(1, 65)
    layer = min(layer, network.architecture.denses[-1].layer)
    unit = chosen(network, images, layer)
    pixels, _ = units.project(network, images, layer, unit, settings)
    expected = slow(network, images[0].double().numpy(), layer, int(unit), settings.unpooling == "overwrite")
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(pixels[0].numpy(), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


class Rule(torch.autograd.Function):
    """Apply `up` in the forward pass and `down` in the backward pass.

    For a ReLU, `down` is a rule; for the normalisation, `down` leaves the signal as it is.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, up: Any, down: Any) -> torch.Tensor:  # pyright: ignore
        ctx.down = down
        return up(maps)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # pyright: ignore
        return ctx.down(gradient), None, None


def backpropagated(network: ConvNet, images: torch.Tensor, layer: int, unit: torch.Tensor, rule: Any) -> torch.Tensor:
    """Return the value of a unit on each image times the gradient of autograd with this rule for every ReLU."""
    inputs = images.clone().requires_grad_()
    signal = inputs
    for conv in network.architecture.convs:
        signal = Rule.apply(network.conv(conv.layer)(signal), torch.relu, rule)
        for step in ("norm", "pool") if network.norm.before_pool else ("pool", "norm"):
            if step == "pool" and conv.pool:
                signal = functional.max_pool2d(signal, conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)
            if step == "norm" and conv.normed:
                signal = Rule.apply(signal, lambda maps, layer=conv.layer: network.normalise(layer, maps), torch.clone)
    signal = signal.flatten(1)
    for dense in network.architecture.denses:
        signal = network.denses[str(dense.layer)](signal)
        if dense.kind == "hidden":
            signal = Rule.apply(signal, torch.relu, rule)
        if dense.layer == layer:
            break
    value = signal.gather(1, unit[:, None]).sum(1)
    (gradient,) = torch.autograd.grad((value * value.detach().relu()).sum(), inputs)
    return gradient


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_projection_equals_autograd_with_the_deconvnets_relu(kind: str) -> None:
    network, images = small_network(kind), random_images(4)
    for dense in network.architecture.denses:
        unit = chosen(network, images, dense.layer)
        pixels, values = units.project(network, images, dense.layer, unit, SUM)
        expected = backpropagated(network, images, dense.layer, unit, torch.relu)
        assert values.min() > 0 and expected.abs().amax((1, 2, 3)).min() > 0
        torch.testing.assert_close(pixels, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("kind", ["zfnet", "vgg"])
def test_with_positive_weights_the_projection_is_the_gradient(kind: str) -> None:
    """If no ReLU removes anything, the projection is the exact transpose of the forward pass."""
    network, images = small_network(kind), random_images(2).abs()
    for module in (*network.convs.values(), *network.denses.values()):
        module.get_parameter("weight").data.abs_()
    layer = network.architecture.denses[-1].layer
    unit = torch.tensor([0, 3])
    pixels, _ = units.project(network, images, layer, unit, SUM)
    expected = backpropagated(network, images, layer, unit, torch.clone)
    torch.testing.assert_close(pixels, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())
    module = network.denses[str(layer)]
    for parameter in (module.get_parameter("weight"), module.get_parameter("bias")):
        parameter.data *= 2
    twice, _ = units.project(network, images, layer, unit, SUM)
    torch.testing.assert_close(twice, 4 * pixels, rtol=1e-4, atol=1e-5 * twice.abs().max().item())


def test_a_logit_that_is_not_positive_projects_to_zero() -> None:
    network, images = small_network("zfnet"), random_images(1)
    network.denses["8"].get_parameter("bias").data.fill_(-1e6)
    pixels, values = units.project(network, images, 8, torch.tensor([2]), SUM)
    assert values.item() < -1e5
    assert not pixels.any()
