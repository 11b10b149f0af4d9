"""Occlusion by differences beside captum's Occlusion and our own whole forward passes, one by one and batched.

The paper's network at 224 x 224 with random weights, float32. By differences an occluder goes over an image in steps of
8 pixels; by the other ways, which take equally long everywhere, in steps of 16 or 24. Where they meet, the probability
of a class must be the same. Ways with a batch run at their quickest, found with the middle occluder. All take turns,
and medians count. On cores that others use too, set OMP_NUM_THREADS=1: threads that wait for each other blur the times.
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

CROP, ROUNDS, STEP = 224, 3, 8
STEPS = {16: 16, 32: 24, 48: 16}
"""Pixels between the positions of the slower ways, for each side of an occluder."""
BATCHES = {"one by one": (1,), "batched": (4, 8, 16, 32), "captum": (4, 8, 16, 32), "differences": (64, 128)}

Way = Callable[[int, int], Tensor]
"""The probability at every position, from the occluder's side and the images a batch."""


def positions(side: int, step: int) -> Occluders:
    """As captum goes: down the columns."""
    places = torch.arange(0, CROP - side + 1, step)
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
    answers = map(occlusion.through_images, positions(side, STEPS[side]).split(batch))
    return torch.cat([one.logits.softmax(1)[:, target] for one in answers])


def by_differences(network: ConvNet, image: Tensor, fill: Tensor, target: int, side: int, batch: int) -> Tensor:
    """Ours, the unoccluded image's pass included."""
    answers = Occlusion(network, image, fill).answers(positions(side, STEP), batch)
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
                if name == "differences":
                    few, many = (range(0, CROP - side + 1, step) for step in (STEPS[side], STEP))
                    rows = torch.tensor([many.index(place) for place in few])
                    found = found.view(len(many), -1)[rows][:, rows].flatten()
                assert expected.max() - expected.min() > 1e-3 * expected.max(), "occluders must matter"
                assert (found - expected).abs().max() <= 1e-5 * expected.max(), name
        median = {name: statistics.median(values) for name, values in rates.items()}
        ratios = (median["differences"] / median[name] for name in ("one by one", "batched", "captum"))
        columns = "".join(f"{value:15.1f}" for value in median.values())
        print(f"{side:4}  {len(expected):9} {columns}  {'  '.join(f'{ratio:11.2f}' for ratio in ratios)}", flush=True)


if __name__ == "__main__":
    main()
