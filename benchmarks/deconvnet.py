"""Projections on the receptive field alone, beside captum's Deconvolution and our own on whole images.

The paper's network at 224 x 224 with random weights, without normalisation (captum's rule knows none), float32. For
each layer some units at random places are projected by each way; the values must be equal. The time for all
strongest-nine projections (9 for each of 1,376 maps) follows from the median time a unit, each way at its best batch.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from captum.attr import Deconvolution
from torch import Tensor, nn

from zfpipe import params, profiles
from zfpipe.convnet import weights
from zfpipe.convnet.deconvnet import Units, project
from zfpipe.convnet.network import ConvNet, initialise
from zfpipe.convnet.windows import project_windows
from zfpipe.device import device
from zfpipe.params import Deconvnet, Norm

UNITS, BATCHES, ROUNDS, NINE = 32, (1, 8, 32), 3, 9
SETTINGS = Deconvnet(unpooling="sum", norm="skip")


def papers_network() -> ConvNet:
    """The network of Fig. 3, random weights."""
    target = Path("benchmarks/params.yaml")
    target.write_text(Path("params.yaml").read_text())
    try:
        profiles.apply("imagenet", Path("profiles"), target)
        settings = params.load(target)
    finally:
        target.unlink()
    network = weights.build(settings.model, settings.crops.size, 1000)
    initialise(network, "he", 0.01, 0)
    return network.to(device()).to(memory_format=torch.channels_last).eval()


def plain(network: ConvNet, layer: int) -> nn.Sequential:
    """The layers up to the rectified map of `layer`, as captum can hook them."""
    modules: list[nn.Module] = []
    for conv in network.architecture.convs[:layer]:
        modules += [network.conv(conv.layer), nn.ReLU()]
        if conv.pool and conv.layer < layer:
            modules.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    return nn.Sequential(*modules, nn.Flatten())


def by_captum(network: ConvNet, images: Tensor, units: Units, activations: Tensor) -> Tensor:
    """Whole images, as a user of captum gets them, times the activation."""
    side = next(conv for conv in network.architecture.convs if conv.layer == units.layer).map_size
    targets = (units.maps * side + units.ys) * side + units.xs
    found = Deconvolution(plain(network, units.layer)).attribute(images.clone(), target=targets)
    return found.detach() * activations[:, None, None, None]


def seconds(way: Callable[[slice], object], batch: int) -> float:
    """Median time a unit when all of them go through in batches."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for first in range(0, UNITS, batch):
            way(slice(first, first + batch))
        times.append(time.perf_counter() - start)
    return statistics.median(times) / UNITS


def ways(network: ConvNet, images: Tensor, units: Units) -> dict[str, Callable[[slice], Tensor]]:
    """Each way to project some of the units, by name. Fails where their values differ."""

    def part(where: slice) -> Units:
        return Units(units.layer, units.maps[where], units.ys[where], units.xs[where])

    whole, activations = project(network, images, units, SETTINGS)
    found: dict[str, Callable[[slice], Tensor]] = {
        "captum": lambda where: by_captum(network, images[where], part(where), activations[where]),
        "whole images": lambda where: project(network, images[where], part(where), SETTINGS)[0],
        "receptive field": lambda where: project_windows(network, images[where], part(where), SETTINGS)[0],
    }
    assert (whole - found["captum"](slice(None))).abs().max() <= 1e-5 * whole.abs().max()
    sums = [pixels.sum((1, 2, 3)) for pixels in (whole, found["receptive field"](slice(None)))]
    assert (sums[0] - sums[1]).abs().max() <= 1e-4 * whole.abs().sum((1, 2, 3)).max()
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    network = papers_network()
    network.norm = Norm(size=5, k=1.0, alpha=0.0, beta=0.75)  # divides by one
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(UNITS, 3, 224, 224, generator=generator).to(device()) * 60
    totals = {"captum": 0.0, "whole images": 0.0, "receptive field": 0.0}
    print("layer  units  captum ms  whole ms  field ms  captum / field")
    for conv in network.architecture.convs:
        draws = [torch.randint(0, most, (UNITS,), generator=generator) for most in (conv.maps, *(conv.map_size,) * 2)]
        units = Units(conv.layer, *(draw.to(device()) for draw in draws))
        best = {
            name: min(seconds(way, batch) for batch in BATCHES) for name, way in ways(network, images, units).items()
        }
        for name, value in best.items():
            totals[name] += value * NINE * conv.maps
        milliseconds = "  ".join(f"{1000 * value:8.2f}" for value in best.values())
        ratio = best["captum"] / best["receptive field"]
        print(f"{conv.layer:5}  {NINE * conv.maps:5}  {milliseconds}  {ratio:8.1f}", flush=True)
    print(", ".join(f"{name} {value:.0f} s" for name, value in totals.items()), end="")
    print(f": captum / receptive field {totals['captum'] / totals['receptive field']:.1f}")


if __name__ == "__main__":
    main()
