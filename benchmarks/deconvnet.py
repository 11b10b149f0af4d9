"""All strongest-nine projections of the paper's network at 224, beside captum's Deconvolution.

    python -m benchmarks.deconvnet [folder of images]

The network has random weights and no normalisation (captum's rule knows none); float32. Its units are the real
strongest nine, one an image, of all 1,376 maps over a thousand pictures: drawn by zfpipe, or a folder's.

An image is among the strongest of several maps, and ours shares the way up between these; captum can't. So ours runs
over a seeded quarter of the images with all their units, layer by layer and all layers at once; captum over a few
seeded units of each layer, batched at its best. Both are taken for all units by their numbers, ours by the time of all
layers at once. Medians of interleaved rounds. First, all ways must give equal values: to 1e-5 of the largest.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from captum.attr import Deconvolution
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from zfpipe import params, profiles
from zfpipe.convnet import weights
from zfpipe.convnet.deconvnet import Units, project
from zfpipe.convnet.network import ConvNet, initialise
from zfpipe.convnet.receptive_field import receptive_field
from zfpipe.convnet.windows import project_windows
from zfpipe.device import device
from zfpipe.params import Deconvnet, Norm
from zfpipe.pictures.generated.picture import draw
from zfpipe.probes.projections import BATCH

PICTURES, RESIZE, CROP, NINE = 1000, 256, 224, 9
UNITS, BATCHES, ROUNDS, SHARE = 32, (1, 8, 32), 3, 4
OURS = ALL = 0
SETTINGS = Deconvnet(unpooling="sum", norm="skip")

Chosen = tuple[Units, Tensor]
"""Units of a layer, and the picture of each."""


def papers_network() -> ConvNet:
    """The network of Fig. 3, random weights."""
    target = Path("benchmarks/params.yaml")
    target.write_text(Path("params.yaml").read_text())
    try:
        profiles.apply("imagenet", Path("profiles"), target)
        settings = params.load(target)
    finally:
        target.unlink()
    network = weights.build(settings.model, CROP, 1000)
    initialise(network, "he", 0.01, 0)
    return network.to(device()).to(memory_format=torch.channels_last).eval()


def pictures(folder: Path | None) -> Tensor:
    """Centre crops, minus their mean: `(image, 3, 224, 224)`."""
    if folder is None:
        found = (draw(0, "val", number).pixels for number in range(PICTURES))
    else:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        found = (np.asarray(cv2.imread(str(path)))[:, :, ::-1] for path in files[:PICTURES])
    crops = []
    for pixels in tqdm(found, total=PICTURES, desc="pictures", leave=False):
        scale = RESIZE / min(pixels.shape[:2])
        size = [max(RESIZE, round(side * scale)) for side in pixels.shape[1::-1]]
        resized = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
        top, left = ((side - CROP) // 2 for side in resized.shape[:2])
        crops.append(resized[top : top + CROP, left : left + CROP])
    images = torch.from_numpy(np.stack(crops)).float()
    return (images - images.mean(0)).permute(0, 3, 1, 2).to(device())


@torch.inference_mode()
def strongest(network: ConvNet, images: Tensor) -> dict[int, Chosen]:
    """The nine of every map, by layer."""
    seen: dict[int, list[tuple[Tensor, ...]]] = {}
    for batch in tqdm(images.split(BATCH), desc="activations", leave=False):
        for trace in network.trace(batch, switches=False):
            seen.setdefault(trace.layer, []).append(tuple(trace.rectified.flatten(2).max(2)))
    chosen = {}
    for conv in network.architecture.convs:
        values, places = (torch.cat(parts) for parts in zip(*seen[conv.layer], strict=True))
        rows = values.topk(NINE, 0).indices
        place = places.gather(0, rows).flatten()
        maps = torch.arange(conv.maps, device=rows.device).repeat(NINE)
        chosen[conv.layer] = Units(conv.layer, maps, place // conv.map_size, place % conv.map_size), rows.flatten()
    return chosen


def some(chosen: Chosen, which: Tensor) -> Chosen:
    """A part of a layer's units."""
    units, rows = chosen
    return Units(units.layer, units.maps[which], units.ys[which], units.xs[which]), rows[which]


def by_captum(network: ConvNet, images: Tensor, chosen: Chosen) -> Tensor:
    """Whole images, as a user of captum gets them: not yet times the activation."""
    (units, rows), modules = chosen, []
    for conv in network.architecture.convs[: units.layer]:
        modules += [network.conv(conv.layer), nn.ReLU()]
        if conv.pool and conv.layer < units.layer:
            modules.append(nn.MaxPool2d(conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil))
    side = network.architecture.convs[units.layer - 1].map_size
    targets = (units.maps * side + units.ys) * side + units.xs
    return Deconvolution(nn.Sequential(*modules, nn.Flatten())).attribute(images[rows], target=targets).detach()


def by_us(network: ConvNet, images: Tensor, layers: list[Chosen], of: Tensor) -> None:
    """Projects all units of these layers in the images `of`, which ascend."""
    for part in of.split(BATCH):
        here = [some(chosen, torch.isin(chosen[1], part)) for chosen in layers]
        asked = [(units, torch.searchsorted(part, rows)) for units, rows in here]
        project_windows(network, images[part], asked, SETTINGS)


def check(network: ConvNet, images: Tensor, chosen: Chosen) -> None:
    """Fails where captum's, our own on whole images, and those on receptive fields differ."""
    units, rows = chosen
    whole, activations = project(network, images[rows], units, SETTINGS)
    theirs = by_captum(network, images, chosen) * activations[:, None, None, None]
    assert (whole - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    [(ours, _)] = project_windows(network, images, [chosen], SETTINGS)
    field = receptive_field(network.architecture, units.layer)
    padded = functional.pad(theirs, (field.size,) * 4)
    for pixels, larger, y, x in zip(ours, padded, units.ys.tolist(), units.xs.tolist(), strict=True):
        top, left = (field.span(place)[0] + field.size for place in (y, x))
        cut = larger[:, top : top + field.size, left : left + field.size]
        assert (pixels - cut).abs().max() <= 1e-5 * theirs.abs().max()


def seconds(way: Callable[[], object]) -> float:
    """Of one run."""
    start = time.perf_counter()
    way()
    if device().type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    warnings.simplefilter("ignore")
    network = papers_network()
    network.norm = Norm(size=5, k=1.0, alpha=0.0, beta=0.75)  # divides by one
    images = pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    chosen = strongest(network, images)
    distinct = torch.cat([rows for _, rows in chosen.values()]).unique()
    generator = torch.Generator().manual_seed(0)
    shuffled = distinct.cpu()[torch.randperm(len(distinct), generator=generator)].to(distinct.device)
    sample = shuffled[: len(distinct) // SHARE].sort().values
    few = {}
    for layer, layers_units in chosen.items():
        which = torch.randperm(len(layers_units[1]), generator=generator)[:UNITS].to(distinct.device)
        few[layer] = some(layers_units, which)
        check(network, images, few[layer])
    numbers = {layer: int(torch.isin(rows, sample).sum()) for layer, (_, rows) in chosen.items()}
    ways: dict[tuple[int, int], tuple[Callable[[], object], int]] = {}
    for layer, one in chosen.items():
        for batch in BATCHES:
            parts = [some(few[layer], part) for part in torch.arange(UNITS, device=sample.device).split(batch)]
            ways[layer, batch] = (
                partial(lambda parts: [by_captum(network, images, part) for part in parts], parts),
                UNITS,
            )
        ways[layer, OURS] = partial(by_us, network, images, [one], sample), numbers[layer]
    ways[ALL, OURS] = partial(by_us, network, images, list(chosen.values()), sample), sum(numbers.values())
    rounds = [
        {key: seconds(way) / units for key, (way, units) in ways.items()}
        for _ in tqdm(range(ROUNDS), desc="rounds", leave=False)
    ]
    medians = {key: statistics.median(times[key] for times in rounds) for key in ways}
    theirs = 0.0
    print("layer  units  images  captum ms  its batch  ours ms  captum / ours")
    for layer, (_, rows) in chosen.items():
        captum, batch = min((medians[layer, batch], batch) for batch in BATCHES)
        ours = medians[layer, OURS]
        theirs += captum * len(rows)
        print(
            f"{layer:5}  {len(rows):5}  {len(rows.unique()):6}  {1000 * captum:9.2f}  {batch:9}  "
            f"{1000 * ours:7.2f}  {captum / ours:13.1f}"
        )
    units = sum(len(rows) for _, rows in chosen.values())
    ours = medians[ALL, OURS] * units
    print(
        f"all {units} units of {len(distinct)} images: captum {theirs:.0f} s, ours {ours:.1f} s: {theirs / ours:.1f}x"
    )


if __name__ == "__main__":
    main()
