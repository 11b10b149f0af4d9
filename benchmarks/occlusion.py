"""Occlusion by differences beside captum's Occlusion and our own whole forward passes, one by one and batched.

The paper's network at 224 x 224 with random weights, float32. An occluder goes over an image in odd steps, which meet
the network's strides in every alignment; the probability of a class must be the same at every position. Ways with a
batch run at their quickest, found with the middle occluder. All take turns, and medians count.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor

from benchmarks.deconvnet import papers_network
from zfpipe.convnet.network import ConvNet
from zfpipe.convnet.occlusion import Occluders, Occlusion

CROP, ROUNDS = 224, 3
STEPS = {16: 15, 32: 23, 48: 23}
"""Pixels between positions, for each side of an occluder; captum takes no step wider than the occluder."""
BATCHES = {"one by one": (1,), "batched": (4, 8, 16, 32), "captum": (4, 8, 16, 32), "differences": (32, 64)}

Way = Callable[[int, int], Tensor]
"""The probability at every position, from the occluder's side and the images a batch."""


def positions(side: int) -> Occluders:
    """As captum goes: down the columns, the last hanging over the border."""
    places = torch.arange(-(-(CROP - side) // STEPS[side]) + 1) * STEPS[side]
    lefts, tops = torch.cartesian_prod(places, places).unbind(1)
    return Occluders(tops, lefts, side, side)


def by_captum(network: ConvNet, image: Tensor, fill: Tensor, target: int, side: int, batch: int) -> Tensor:
    """Captum gives the mean change over the occluders that cover a pixel; the probabilities are noted on the way."""
    noted: list[Tensor] = []

    def probability(images: Tensor) -> Tensor:
        noted.append(network(images).softmax(1)[:, target])
        return noted[-1]

    CaptumOcclusion(probability).attribute(
        image[None],
        sliding_window_shapes=(3, side, side),
        strides=(3, STEPS[side], STEPS[side]),
        baselines=fill[None],
        perturbations_per_eval=batch,
    )
    return torch.cat(noted)[1:]  # the first is of the unoccluded image


def by_images(occlusion: Occlusion, target: int, side: int, batch: int) -> Tensor:
    """Our own whole forward passes."""
    answers = map(occlusion.through_images, positions(side).split(batch))
    return torch.cat([one.logits.softmax(1)[:, target] for one in answers])


def by_differences(network: ConvNet, image: Tensor, fill: Tensor, target: int, side: int, batch: int) -> Tensor:
    """Ours, the unoccluded image's pass included."""
    answers = Occlusion(network, image, fill).answers(positions(side), batch)
    return torch.cat([one.logits.softmax(1)[:, target] for one in answers])


def timed(way: Way, side: int, batch: int) -> tuple[float, Tensor]:
    """Occluded forward passes a second, and what they found."""
    start = time.perf_counter()
    found = way(side, batch).cpu()
    return len(found) / (time.perf_counter() - start), found


def main() -> None:
    warnings.simplefilter("ignore")
    network = papers_network()
    where = network.conv(1).weight.device
    generator = torch.Generator().manual_seed(0)
    image, mean = ((torch.randn(3, CROP, CROP, generator=generator) * spread).to(where) for spread in (60, 4))
    fill = 4 - mean  # a grey of 128 where the mean is about 124
    occlusion = Occlusion(network, image, fill)
    target = int(occlusion.unoccluded.logits.argmax())
    ways: dict[str, Way] = {
        "one by one": partial(by_images, occlusion, target),
        "batched": partial(by_images, occlusion, target),
        "captum": partial(by_captum, network, image, fill, target),
        "differences": partial(by_differences, network, image, fill, target),
    }
    best = {name: max(BATCHES[name], key=lambda batch: timed(way, 32, batch)[0]) for name, way in ways.items()}
    print(f"batches: {', '.join(f'{name} {batch}' for name, batch in best.items())}", flush=True)
    print("side  positions " + "".join(f"{name + '/s':>15}" for name in ways), " / one by one  / batched  / captum")
    for side in STEPS:
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            expected = torch.empty(0)
            for name, way in ways.items():
                rate, found = timed(way, side, best[name])
                rates[name].append(rate)
                expected = found if name == "one by one" else expected
                assert expected.max() - expected.min() > 1e-3 * expected.max(), "occluders must matter"
                assert (found - expected).abs().max() <= 1e-5 * expected.max(), name
        median = {name: statistics.median(values) for name, values in rates.items()}
        ratios = (median["differences"] / median[name] for name in ("one by one", "batched", "captum"))
        columns = "".join(f"{value:15.1f}" for value in median.values())
        print(f"{side:4}  {len(expected):9} {columns}  {'  '.join(f'{ratio:11.2f}' for ratio in ratios)}", flush=True)


if __name__ == "__main__":
    main()
