"""Find what excites the units of the fully connected layers most, and project the units to pixels.

This is beyond the paper, whose projections stop at layer 5. Hidden units are measured after the ReLU. Class units, in
the softmax layer, are measured by their logit: a probability is near 1 on many images and depends on other classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn import functional

from zfpipe.deconvnet.deconvnet import descend, to_rectified
from zfpipe.network.architecture import Outline
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.reading.reader import Batch
from zfpipe.sections import Deconvnet

HIDDEN = 32
"""Number of hidden units of a layer whose images are kept."""
LARGEST_ID = 2**32 - 1
"""The lower half of a key is this minus an image's id."""


@dataclass
class Leaders:
    """The strongest images of a layer's units so far, as `keys`; the values' sum; the number of positive values."""

    keys: Int64[Tensor, "rank unit"]
    total: Float64[Tensor, "unit"]
    fired: Int64[Tensor, "unit"]

    @classmethod
    def none(cls, units: int, device: torch.device) -> "Leaders":
        """Return the leaders before the first image."""
        whole = {"dtype": torch.int64, "device": device}
        total = torch.zeros(units, dtype=torch.float64, device=device)
        return cls(torch.empty((0, units), **whole), total, torch.zeros(units, **whole))

    def add(self, other: "Leaders", count: int) -> "Leaders":
        """Return both together, with the `count` strongest images of each unit in falling order."""
        keys = torch.cat([self.keys, other.keys])
        kept = keys.topk(min(count, len(keys)), dim=0).values
        return Leaders(kept, self.total + other.total, self.fired + other.fired)


@dataclass
class Measured:
    """The leaders of each fully connected layer, and the label of every image that was seen."""

    layers: dict[int, Leaders]
    labels: dict[int, int] = field(default_factory=dict)


def keys(values: Float[Tensor, "image unit"], ids: Int64[Tensor, "image"]) -> Int64[Tensor, "image unit"]:
    """Return distinct integers in the order of the activations; of equal activations the smaller id ranks higher."""
    bits = (values.float() + 0.0).view(torch.int32)  # + 0.0 turns -0.0 into 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return ordered * 2**32 + (LARGEST_ID - ids)[:, None]


def read(keys: Int64[np.ndarray, "*any"]) -> tuple[Float[np.ndarray, "*any"], Int64[np.ndarray, "*any"]]:
    """Return the activations and ids in `keys`."""
    bits = (keys >> 32).astype(np.int32)
    values = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int32).view(np.float32)
    return values, LARGEST_ID - (keys & LARGEST_ID)


@torch.inference_mode()
def measure(network: ConvNet | Foreign, batches: Iterable[tuple[Batch, Tensor]], count: int) -> Measured:
    """Find the `count` strongest images of every unit; memory grows with the units, and by one label for each image."""
    device = next(network.parameters()).device
    found = Measured({dense.layer: Leaders.none(dense.units, device) for dense in network.architecture.denses})
    for batch, images in batches:
        found.labels.update(zip(batch.ids.tolist(), batch.labels.tolist(), strict=True))
        for layer, values in network.features(images):
            if layer not in found.layers:
                continue
            new = Leaders(keys(values, batch.ids.to(device)), values.double().sum(0), (values > 0).sum(0))
            found.layers[layer] = found.layers[layer].add(new, count)
    for one in found.layers.values():
        one.keys, one.total, one.fired = one.keys.cpu(), one.total.cpu(), one.fired.cpu()
    return found


def tables(
    parts: Sequence[Measured], architecture: Outline, classes: Sequence[str], count: int
) -> dict[str, pd.DataFrame]:
    """Return the tables by file name, from the parts of several processes.

    `units.parquet` has a row for each unit: `kind` (hidden or softmax), the mean over all images, the largest value,
    the share of images on which it fires (is positive), and `strength`, the mean of its `count` strongest activations.
    `strongest.parquet` has the `count` strongest activations of every class unit and, in each hidden layer, of the
    HIDDEN units of most strength. Among units that share their strongest image only the unit of most strength is kept.
    """
    labels: dict[int, int] = {image: label for part in parts for image, label in part.labels.items()}
    every, best = [], []
    for dense in architecture.denses:
        found, *others = (part.layers[dense.layer] for part in parts)
        for other in others:
            found = found.add(other, count)
        values, ids = read(found.keys.numpy())
        strength = values.mean(0, dtype=np.float64).astype(np.float32)
        every.append(
            pd.DataFrame(
                {
                    "layer": dense.layer,
                    "unit": np.arange(dense.units),
                    "kind": dense.kind,
                    "mean": (found.total.numpy() / len(labels)).astype(np.float32),
                    "largest": values[0],
                    "fires": found.fired.numpy() / len(labels),
                    "strength": strength,
                }
            )
        )
        kept = np.argsort(-strength, kind="stable")
        if dense.kind == "hidden":
            _, firsts = np.unique(ids[0, kept], return_index=True)
            kept = kept[np.sort(firsts)[:HIDDEN]]
        for unit in sorted(kept.tolist()):
            top = {"layer": dense.layer, "unit": unit, "id": ids[:, unit], "activation": values[:, unit]}
            best.append(pd.DataFrame(top).assign(rank=np.arange(len(ids))))
    strongest = pd.concat(best, ignore_index=True)
    strongest["label"] = [labels[image] for image in strongest["id"]]
    strongest["class"] = [classes[label] for label in strongest["label"]]
    return {"strongest.parquet": strongest, "units.parquet": pd.concat(every, ignore_index=True)}


@torch.no_grad()
def project(
    network: ConvNet | Foreign,
    images: Float[Tensor, "batch 3 y x"],
    layer: int,
    units: Int64[Tensor, "batch"],
    settings: Deconvnet,
) -> tuple[Float[Tensor, "batch 3 y x"], Float[Tensor, "batch"]]:
    """Project one unit of a fully connected layer for each image to pixel space; also return the units' values.

    In each fully connected layer the signal is rectified, then multiplied by the transposed weights, without biases.
    From the last convolution layer's output, `deconvnet.project` continues to pixels. A class unit starts from its
    rectified logit, so a logit that is not positive gives a zero projection.
    """
    if isinstance(network, Foreign):
        return network.project_dense(images, layer, units, settings.norm)
    traces = list(network.trace(images))
    top = traces[-1]
    values = dict(network.dense(top.output))[layer]
    chosen = functional.one_hot(units, values.shape[1]).bool()
    signal = values * chosen
    for dense in reversed([dense for dense in network.architecture.denses if dense.layer <= layer]):
        signal = functional.relu(signal) @ network.denses[str(dense.layer)].get_parameter("weight")
    maps = to_rectified(network, top, signal.view(-1, *top.output.shape[1:]), settings)
    return descend(network, traces, maps, settings), values[chosen]
