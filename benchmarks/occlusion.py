"""Time occlusion by differences beside captum's Occlusion and our own whole forward passes, single and batched.

The network is the paper's at 224 x 224 with random weights; numbers are float32. By differences, an occluder moves over
an image in steps of 8 pixels. The other ways, whose time does not depend on the position, use steps of 16 or 24. At
common positions, all ways must give the same probability of a class. With `--full`, each way runs with its fastest
batch size, found with the middle occluder. Without `--full`, only the middle occluder runs, in larger steps and with
the first batch size. A last line bounds what differences can gain, by counted multiply-adds. On cores that others use
too, set OMP_NUM_THREADS=1, since threads that wait for each other disturb the times.
"""

import warnings
from collections.abc import Callable
from functools import cache, partial
from time import perf_counter

import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor

from benchmarks import harness
from benchmarks.deconvnet import papers_network
from zfpipe.network.convnet import ConvNet
from zfpipe.occlusion import plan
from zfpipe.occlusion.occlusion import Occlusion
from zfpipe.occlusion.plan import Occluders, Plan, Windows

CROP, ROUNDS = 224, 3
Steps = dict[int, tuple[int, int]]
"""For each side of an occluder, pixels between the positions of ours and between those of the other ways."""
FULL: Steps = {16: (8, 16), 32: (8, 24), 48: (8, 16)}
SHORT: Steps = {32: (16, 32)}
BATCHES = {"differences": (64, 128), "one by one": (1,), "batched": (8, 4, 16, 32), "captum": (8, 4, 16, 32)}
"""Batch sizes to try; without `--full`, the first one is used."""
MIDDLE = 32

Way = Callable[[int, int], Tensor]
"""Return the probability at every position, from the occluder's side and the batch size."""


def positions(side: int, step: int) -> Occluders:
    """Return the positions in captum's order, down the columns."""
    places = torch.arange(0, CROP - side + 1, step)
    lefts, tops = torch.cartesian_prod(places, places).unbind(1)
    return Occluders(tops, lefts, side, side)


def by_captum(
    network: ConvNet, image: Tensor, fill: Tensor, target: int, steps: Steps, side: int, batch: int
) -> Tensor:
    """Note the probabilities of captum's passes, since captum itself returns mean changes for each pixel."""
    noted: list[Tensor] = []

    def probability(images: Tensor) -> Tensor:
        noted.append(network(images).softmax(1)[:, target])
        return noted[-1]

    CaptumOcclusion(probability).attribute(
        image[None],
        sliding_window_shapes=(3, side, side),
        strides=(3, steps[side][1], steps[side][1]),
        baselines=fill[None],
        perturbations_per_eval=batch,
    )
    return torch.cat(noted)[1:]  # the first pass is of the unoccluded image


def by_images(
    network: ConvNet, image: Tensor, fill: Tensor, target: int, steps: Steps, side: int, batch: int
) -> Tensor:
    """Compute the probabilities by our own whole forward passes."""
    found = []
    for part in positions(side, steps[side][1]).split(batch):
        whole = Windows(torch.zeros_like(part.tops), CROP)
        cover = part.cover(whole, whole)[:, None].to(image.device)
        images = fill.where(cover, image).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            found.append(network(images).softmax(1)[:, target])
    return torch.cat(found)


def by_differences(
    network: ConvNet, image: Tensor, fill: Tensor, target: int, steps: Steps, side: int, batch: int
) -> Tensor:
    """Compute the probabilities by differences, including the pass of the unoccluded image."""
    answers = Occlusion(network, image[None], fill).answers(planned(network, side, steps[side][0], batch))
    return torch.cat([one.logits[0].softmax(1)[:, target] for one in answers])


@cache
def planned(network: ConvNet, side: int, step: int, batch: int) -> Plan:
    """Return the plan, made once for all rounds."""
    return Plan(network, positions(side, step), batch)


def bounds(network: ConvNet, occluders: Occluders) -> tuple[float, float]:
    """Return a whole pass's multiply-adds, divided by those in our windows, and by the fewest for the changed values.

    Each convolution computes the changed outputs, or adds the changed inputs to the outputs, whichever takes fewer.
    """
    convs = network.architecture.convs
    ys, xs = (
        plan.spread(network.architecture, start, length)
        for start, length in ((occluders.tops, occluders.height), (occluders.lefts, occluders.width))
    )
    dense = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, torch.nn.Linear))
    whole = windows = fewest = float(dense)
    windows_y, windows_x = (plan.steps(network.architecture, one) for one in (ys, xs))
    for conv, y, x, window_y, window_x in zip(convs, ys, xs, windows_y, windows_x, strict=False):
        weights = conv.maps_in * conv.maps * conv.filter_size**2
        above = [one.above(conv.filter_size, conv.stride, conv.padding, conv.map_size) for one in (y, x)]
        changed, sums = ((one.last - one.first) * (two.last - two.first) for one, two in ((y, x), above))
        whole += conv.map_size**2 * weights
        windows += window_y.changed.size * window_x.changed.size * weights / conv.stride**2
        fewest += torch.minimum(changed / conv.stride**2, sums).mean().item() * weights
    return whole / windows, whole / fewest


def rate(way: Way, batch: int) -> float:
    """Return the occluded forward passes a second, with the middle occluder."""
    start = perf_counter()
    found = way(MIDDLE, batch).cpu()
    return len(found) / (perf_counter() - start)


def check(ways: dict[str, Way], steps: Steps, side: int, best: dict[str, int]) -> None:
    """Fail if probabilities differ between the ways at common positions, or if the occluder changes nothing."""
    found = {name: way(side, best[name]).cpu() for name, way in ways.items()}
    few, many = (range(0, CROP - side + 1, step) for step in reversed(steps[side]))
    rows = torch.tensor([many.index(place) for place in few])
    found["differences"] = found["differences"].view(len(many), -1)[rows][:, rows].flatten()
    expected = found["one by one"]
    assert expected.max() - expected.min() > 1e-3 * expected.max(), "the occluder changes no probability"
    for name, probabilities in found.items():
        harness.agree(f"occlusion, {side} pixels, {name}", probabilities, expected, 1e-5)


def all_ways(network: ConvNet, image: Tensor, fill: Tensor, steps: Steps) -> dict[str, Way]:
    """Return the ways, ours first, for the most probable class of the whole image."""
    target = int(Occlusion(network, image[None], fill).unoccluded.logits.argmax())
    return {
        "differences": partial(by_differences, network, image, fill, target, steps),
        "one by one": partial(by_images, network, image, fill, target, steps),
        "batched": partial(by_images, network, image, fill, target, steps),
        "captum": partial(by_captum, network, image, fill, target, steps),
    }


def main() -> None:
    given = harness.arguments(__doc__)
    warnings.simplefilter("ignore")
    network = papers_network()
    where = network.conv(1).weight.device
    generator = torch.Generator().manual_seed(0)
    image, mean = ((torch.randn(3, CROP, CROP, generator=generator) * spread).to(where) for spread in (60, 4))
    fill = 4 - mean  # the images' mean is about 124, so that the fill is a grey of 128
    steps = FULL if given.full else SHORT
    ways = all_ways(network, image, fill, steps)
    best = {name: BATCHES[name][0] for name in ways}
    if given.full:
        best = {name: max(BATCHES[name], key=partial(rate, way)) for name, way in ways.items()}
    for side in steps:
        check(ways, steps, side, best)
        rounds: dict[str, harness.Way] = {
            f"{name}, batches of {best[name]}": partial(lambda way, *rest: len(way(*rest)), way, side, best[name])
            for name, way in ways.items()
        }
        harness.compare(f"occlusion, {side} pixels", "passes", rounds, ROUNDS)
        windows, fewest = bounds(network, positions(side, steps[side][0]))
        print(f"  multiply-adds of a whole pass, by those in our windows {windows:.1f}, by the fewest {fewest:.1f}")


if __name__ == "__main__":
    main()
