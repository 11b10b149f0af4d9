"""Time projecting the strongest nine of the paper's network at 224, beside captum's Deconvolution.

    python -m benchmarks.deconvnet [folder of images] [--full]

The network has random weights and no normalisation, since captum has no rule for normalisation; numbers are float32.
The units are the strongest nine of a map, each in another image. With `--full` they come from all 1,376 maps and a
thousand pictures, or else from every fifth map and two hundred pictures, which keeps the number of units in an image.
zfpipe draws the pictures, or they come from a folder.

An image is among the strongest of several maps. Ours shares the forward pass between these maps; captum can't. So ours
runs over a seeded quarter of the images with all units of these images, for each layer and for all layers at once.
captum runs over a few seeded units of the layer, or of all layers in the same proportions, in batches of several sizes.
Before the timing, all ways must agree to 1e-5 of the largest value.
"""

import warnings
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from captum.attr import Deconvolution
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from benchmarks import harness
from zfpipe import params
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.deconvnet.windows import project_windows
from zfpipe.drawing.picture import draw
from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.network.numerics import device
from zfpipe.network.receptive_field import receptive_field
from zfpipe.probes.projections import BATCH
from zfpipe.sections import Deconvnet, Norm
from zfpipe.tools import profiles

PICTURES, RESIZE, CROP, NINE = 1000, 256, 224, 9
UNITS, BATCHES, ROUNDS, SHARE = 32, (1, 8, 32), 3, 4
SHORT, FEW, EVERY = (8,), 8, 5
"""Without `--full`: captum's batch sizes and units of a layer, and a step between maps, which also divides PICTURES."""
SETTINGS = Deconvnet(unpooling="sum", norm="skip")

Chosen = tuple[Units, Tensor]
"""Units of a layer, and the picture of each unit."""


def papers_network() -> ConvNet:
    """Return the network of Fig. 3 with random weights."""
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


def pictures(folder: Path | None, count: int) -> Tensor:
    """Return centre crops minus their mean: `(image, 3, 224, 224)`."""
    if folder is None:
        found = (draw(0, "val", number).pixels for number in range(count))
    else:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        found = (np.asarray(cv2.imread(str(path)))[:, :, ::-1] for path in files[:count])
    crops = []
    for pixels in tqdm(found, total=count, desc="pictures", leave=False):
        scale = RESIZE / min(pixels.shape[:2])
        size = [max(RESIZE, round(side * scale)) for side in pixels.shape[1::-1]]
        resized = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
        top, left = ((side - CROP) // 2 for side in resized.shape[:2])
        crops.append(resized[top : top + CROP, left : left + CROP])
    images = torch.from_numpy(np.stack(crops)).float()
    return (images - images.mean(0)).permute(0, 3, 1, 2).to(device())


@torch.inference_mode()
def strongest(network: ConvNet, images: Tensor, every: int) -> dict[int, Chosen]:
    """Return the strongest nine of each `every`th map, by layer."""
    seen: dict[int, list[tuple[Tensor, ...]]] = {}
    for batch in tqdm(images.split(BATCH), desc="activations", leave=False):
        for trace in network.trace(batch, switches=False):
            seen.setdefault(trace.layer, []).append(tuple(trace.rectified.flatten(2).max(2)))
    chosen = {}
    for conv in network.architecture.convs:
        values, places = (torch.cat(parts) for parts in zip(*seen[conv.layer], strict=True))
        rows = values[:, ::every].topk(NINE, 0).indices
        place = places[:, ::every].gather(0, rows).flatten()
        maps = torch.arange(0, conv.maps, every, device=rows.device).repeat(NINE)
        chosen[conv.layer] = Units(conv.layer, maps, place // conv.map_size, place % conv.map_size), rows.flatten()
    return chosen


def some(chosen: Chosen, which: Tensor) -> Chosen:
    """Return a part of a layer's units."""
    units, rows = chosen
    return Units(units.layer, units.maps[which], units.ys[which], units.xs[which]), rows[which]


def by_captum(network: ConvNet, images: Tensor, chosen: Chosen) -> Tensor:
    """Return captum's projections in whole images, not yet multiplied by the activation."""
    (units, rows), modules = chosen, []
    for conv in network.architecture.convs[: units.layer]:
        modules += [network.conv(conv.layer), nn.ReLU()]
        if conv.pool and conv.layer < units.layer:
            modules.append(nn.MaxPool2d(conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil))
    side = network.architecture.convs[units.layer - 1].map_size
    targets = (units.maps * side + units.ys) * side + units.xs
    return Deconvolution(nn.Sequential(*modules, nn.Flatten())).attribute(images[rows], target=targets).detach()


def captums(network: ConvNet, images: Tensor, layers: list[Chosen], batch: int) -> float:
    """Run a round of captum on all these units, batched in each layer."""
    for chosen in layers:
        for part in torch.arange(len(chosen[1]), device=images.device).split(batch):
            by_captum(network, images, some(chosen, part))
    return sum(len(rows) for _, rows in layers)


def ours(network: ConvNet, images: Tensor, layers: list[Chosen], of: Tensor) -> float:
    """Run a round of ours: all units of these layers in the images `of`, in ascending order."""
    for part in of.split(BATCH):
        here = [some(chosen, torch.isin(chosen[1], part)) for chosen in layers]
        asked = [(units, torch.searchsorted(part, rows)) for units, rows in here]
        project_windows(network, images[part], asked, SETTINGS)
    return sum(int(torch.isin(rows, of).sum()) for _, rows in layers)


def check(network: ConvNet, images: Tensor, chosen: Chosen) -> None:
    """Fail if projections by captum, by ours on whole images, and by ours on receptive fields differ."""
    units, rows = chosen
    whole, activations = project(network, images[rows], units, SETTINGS)
    theirs = by_captum(network, images, chosen) * activations[:, None, None, None]
    harness.agree(f"deconvnet, layer {units.layer}, whole images", whole.cpu(), theirs.cpu(), 1e-5)
    [(found, _)] = project_windows(network, images, [chosen], SETTINGS)
    field = receptive_field(network.architecture, units.layer)
    padded = functional.pad(theirs, (field.size,) * 4)
    cut = []
    for larger, y, x in zip(padded, units.ys.tolist(), units.xs.tolist(), strict=True):
        top, left = (field.span(place)[0] + field.size for place in (y, x))
        cut.append(larger[:, top : top + field.size, left : left + field.size])
    harness.agree(f"deconvnet, layer {units.layer}, receptive fields", found.cpu(), torch.stack(cut).cpu(), 1e-5)


def main() -> None:
    given = harness.arguments(__doc__)
    warnings.simplefilter("ignore")
    units, batches, every = (UNITS, BATCHES, 1) if given.full else (FEW, SHORT, EVERY)
    network = papers_network()
    network.norm = Norm(size=5, k=1.0, alpha=0.0, beta=0.75)  # with alpha 0, the normalisation divides by one
    images = pictures(given.folder, PICTURES // every)
    chosen = strongest(network, images, every)
    distinct = torch.cat([rows for _, rows in chosen.values()]).unique()
    generator = torch.Generator().manual_seed(0)
    sample = distinct[torch.randperm(len(distinct), generator=generator)[: len(distinct) // SHARE]].sort().values
    everything, few, mixed = list(chosen.values()), {}, []
    for layer, (all_units, rows) in chosen.items():
        order = torch.randperm(len(rows), generator=generator).to(rows.device)
        few[layer] = some((all_units, rows), order[:units])
        check(network, images, few[layer])
        share = 2 * units * len(rows) / sum(len(others) for _, others in everything)
        mixed.append(some((all_units, rows), order[: max(1, round(share))]))
    cases = {f"deconvnet, layer {layer}": ([one], [few[layer]]) for layer, one in chosen.items()}
    cases["deconvnet, all layers"] = (everything, mixed)
    for name, (whole, part) in cases.items():
        ways: dict[str, harness.Way] = {"ours": partial(ours, network, images, whole, sample)}
        ways |= {f"captum, batches of {batch}": partial(captums, network, images, part, batch) for batch in batches}
        harness.compare(name, "projections", ways, ROUNDS)


if __name__ == "__main__":
    main()
