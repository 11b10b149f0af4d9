"""Measure layer-1 filters, their dead maps and their aliasing in layer 2 (section 4.1, Fig. 6)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from tqdm import tqdm

from zfpipe.deconvnet.deconvnet import Units
from zfpipe.deconvnet.windows import project_windows
from zfpipe.network.convnet import ConvNet
from zfpipe.probes import spectra
from zfpipe.reading.crops import CENTRE
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch, Batches
from zfpipe.sections import Deconvnet, Network, Run, alike
from zfpipe.subject.subject import Subject
from zfpipe.unavailable import UnavailableError

BATCH = 64
DRAWN = ("zfnet-unclipped", "zfnet", "alexnet")
"""Runs whose filters and projections are kept as pictures; runs of other seeds give numbers only."""
TWINS = ("zfnet", "alexnet")
"""Runs whose network is also measured with random weights."""


@dataclass(frozen=True)
class FilterStatistics:
    """Numbers shown with the pictures of Fig. 6.

    RMS is over each filter's weights; `dominance` is the largest RMS over the median. `dead` is the share of maps that
    never fire. `alike` is `Responses.alike`. `low`, `middle`, `high` are shares of the filters' power
    (`spectra.coverage`). `aliasing` is measured on the layer-2 projections.
    """

    rms_max: float
    rms_median: float
    dominance: float
    dead: float
    alike: float | None
    low: float
    middle: float
    high: float
    aliasing: float


@dataclass(frozen=True)
class Peaks:
    """The strongest activation of each layer-2 map over the images: its value, its place, and the image's crop."""

    activation: Float[Tensor, "map"]
    y: Int64[Tensor, "map"]
    x: Int64[Tensor, "map"]
    images: UInt8[Tensor, "map y x 3"]


class Responses:
    """Sums of layer 1's rectified maps, and of their products, over all places of all images."""

    def __init__(self, maps: int, device: torch.device):
        self.count = 0
        self.sums = torch.zeros(maps, dtype=torch.float64, device=device)
        self.products = torch.zeros((maps, maps), dtype=torch.float64, device=device)

    def add(self, rectified: Float[Tensor, "batch map y x"]) -> None:
        """Add the maps of some images."""
        values = rectified.transpose(0, 1).flatten(1)
        self.count += values.shape[1]
        self.sums += values.sum(1, dtype=torch.float64)
        self.products += (values @ values.T).double()

    @property
    def dead(self) -> float:
        """Return the share of maps that never fire."""
        return float((self.sums == 0).double().mean())

    def correlation(self) -> Float[np.ndarray, "map map"]:
        """Return the correlation of every two maps; NaN for a constant map."""
        means, products = (values.cpu().numpy() / self.count for values in (self.sums, self.products))
        covariance = products - np.outer(means, means)
        variance = np.diag(covariance)
        spread = np.sqrt(np.where(variance > 1e-6 * np.diag(products), variance, np.nan))
        return covariance / np.outer(spread, spread)

    @property
    def alike(self) -> float | None:
        """Return the mean absolute correlation of two maps that vary, or None if fewer than two vary."""
        correlation = self.correlation()
        answers = ~np.isnan(np.diag(correlation))
        pairs = correlation[np.ix_(answers, answers)][np.triu_indices(answers.sum(), 1)]
        return float(np.abs(pairs).mean()) if len(pairs) else None


def measured(runs: Mapping[str, Run]) -> list[str]:
    """Return the names of the drawn runs, and of the runs that differ from a drawn run only in the seed.

    Raise UnavailableError if the parameters leave out a drawn run.
    """
    if missing := [run for run in DRAWN if run not in runs]:
        raise UnavailableError(f"it compares {', '.join(DRAWN)}, and runs has no {missing[0]}")
    same = alike(runs)
    return list(dict.fromkeys(name for run in DRAWN for name in same[run]))


def run(subjects: Iterable[tuple[str, Subject]], models: Mapping[str, Network], settings: Deconvnet) -> dict[str, Any]:
    """Measure layers 1 and 2 of several networks by run; return pictures and numbers by file name.

    `untrained` among the numbers holds networks with random weights. Raise UnavailableError if a network was not
    trained here.
    """
    if any(model.origin for model in models.values()):
        raise UnavailableError(
            "it compares networks trained here, and this one's layers were trained elsewhere (model.source)"
        )
    pictures: dict[str, np.ndarray] = {}
    numbers: dict[str, dict[str, Any]] = {}
    untrained: dict[str, dict[str, Any]] = {}
    for name, subject in subjects:
        numbers[name], first, second = measure(subject, models[name], settings)
        if name in DRAWN:
            pictures |= {name: first, f"{name} layer 2": second}
        if name in TWINS:
            found, *_ = measure(subject.untrained, models[name], settings)
            untrained[name] = found | {"renorm_radius": None}
    numbers["untrained"] = untrained
    return {"filters.safetensors": pictures, "filters.json": numbers}  # the bytes of .npz depend on Python's version


def measure(
    subject: Subject, model: Network, settings: Deconvnet
) -> tuple[dict[str, Any], Float[np.ndarray, "map 3 y x"], Float[np.ndarray, "map2 y2 x2 3"]]:
    """Return the numbers of one network, its filters and the projections of its layer 2."""
    network = subject.network
    assert isinstance(network, ConvNet)
    with subject.batches() as batches:
        responses, peaks = watch(network, batches, subject.inputs)
    first = layer1_filters(network)
    second = layer2_projections(network, peaks, subject.inputs, settings)
    shape = {"filter_size": model.filter_size, "stride": model.stride, "renorm_radius": model.renorm_radius}
    return {**asdict(statistics(first, second, responses, model.stride)), **shape}, first, second


def layer1_filters(network: ConvNet) -> Float[np.ndarray, "map 3 y x"]:
    """Return the filters of layer 1."""
    return network.conv(1).weight.detach().cpu().numpy()


@torch.inference_mode()
def watch(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> tuple[Responses, Peaks]:
    """Pass over the images once; return the responses of layer 1 and the peaks of layer 2."""
    shapes = {conv.layer: conv.maps for conv in network.architecture.convs}
    crop = network.architecture.crop
    responses = Responses(shapes[1], inputs.device)
    value = torch.zeros(shapes[2], device=inputs.device)
    place = torch.zeros(shapes[2], dtype=torch.int64, device=inputs.device)
    images = torch.zeros((shapes[2], crop, crop, 3), dtype=torch.uint8)
    width = 1
    for batch in tqdm(batches.epoch(), total=len(batches), desc="filters", leave=False, disable=None):
        first, second = network.trace(inputs(batch), last=2, switches=False)
        responses.add(first.rectified)
        width = second.rectified.shape[-1]
        found, where = second.rectified.flatten(2).max(2)
        found, image = found.max(0)
        better = found > value  # among equal values the first image stays
        value[better] = found[better]
        place[better] = where.gather(0, image[None])[0][better]
        chosen = better.cpu()
        images[chosen] = batch.images[image.cpu()[chosen]]
    return responses, Peaks(value, place // width, place % width, images)


def layer2_projections(
    network: ConvNet, peaks: Peaks, inputs: MeanSubtraction, settings: Deconvnet
) -> Float[np.ndarray, "map y x 3"]:
    """Project each layer-2 map's strongest activation to pixels, cut to its receptive field; zero for a dead map."""
    parts = []
    for start in range(0, len(peaks.y), BATCH):
        part = slice(start, start + BATCH)
        centre = torch.full((len(peaks.y[part]),), CENTRE)
        batch = Batch(peaks.images[part], centre, centre, centre)
        maps = torch.arange(start, start + len(centre), device=inputs.device)
        units = Units(2, maps, peaks.y[part], peaks.x[part])
        [(pixels, _)] = project_windows(network, inputs(batch), [(units, maps - start)], settings)
        pixels[peaks.activation[part] == 0] = 0  # a map that never fired has no activation to project
        parts.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(parts)


def statistics(
    filters: Float[np.ndarray, "map 3 y x"],
    projections: Float[np.ndarray, "map2 y2 x2 3"],
    responses: Responses,
    stride: int,
) -> FilterStatistics:
    """Compute the numbers of one network."""
    rms = np.sqrt((filters.astype(np.float64) ** 2).mean((1, 2, 3)))
    median = float(np.median(rms))
    return FilterStatistics(
        float(rms.max()),
        median,
        float(rms.max()) / median,
        responses.dead,
        responses.alike,
        **spectra.coverage(filters),
        aliasing=spectra.aliasing(projections, stride),
    )
