"""Follow one activation up through layers 1 and 2 and down again, and keep every step (Fig. 1, section 2.1)."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zfpipe.deconvnet.deconvnet import filtered_down, unnormalised, unpooled
from zfpipe.network.architecture import Architecture, Pool
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.network.receptive_field import receptive_field
from zfpipe.sections import Deconvnet
from zfpipe.subject.subject import Subject
from zfpipe.unavailable import UnavailableError

LAYER = 2
SHOWN = 4
"""Pooled values along a side that the figure shows as numbers, apart from the border."""


@dataclass(frozen=True)
class Steps:
    """The arrays that Fig. 1 draws: one map each of layers 1 and 2 on the way up, and the same places on the way down.

    `switches` holds for each value of `pooled1` its flat place in `map1`. `kept` is `map2` with one activation left.
    `filtered` is `kept` after the transposed filter; `unpooled` and `rectified` follow. `reconstruction` is in pixels,
    from all maps of layer 1. `layer1_map` contributes most to it.
    """

    map1: Float[np.ndarray, "y1 x1"]
    switches: Int64[np.ndarray, "pooled_y pooled_x"]
    pooled1: Float[np.ndarray, "pooled_y pooled_x"]
    map2: Float[np.ndarray, "y2 x2"]
    kept: Float[np.ndarray, "y2 x2"]
    filtered: Float[np.ndarray, "pooled_y pooled_x"]
    unpooled: Float[np.ndarray, "y1 x1"]
    rectified: Float[np.ndarray, "y1 x1"]
    reconstruction: Float[np.ndarray, "y x 3"]
    layer1_map: int

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}


def run(subject: Subject, strongest: pd.DataFrame, settings: Deconvnet) -> dict[str, Any]:
    """Follow the strongest activation of layer 2; return its steps and their description by file name.

    Raise UnavailableError if layers 1 and 2 are not connected as in Fig. 1.
    """
    network = subject.network
    if isinstance(network, Foreign):
        raise UnavailableError(
            "it follows filters, ReLU and pooling of our own networks, and this one is another library's (model.source)"
        )
    pool = pooling(network.architecture)
    rows = strongest.query("layer == @LAYER and rank == 0")
    chosen = rows.loc[rows["activation"].idxmax()]
    image, unit = int(chosen["id"]), (int(chosen["map"]), int(chosen["y"]), int(chosen["x"]))
    crops = subject.images([image])
    found = steps(network, subject.inputs(crops.batch([image])), unit, settings)
    field = receptive_field(network.architecture, LAYER)
    described = {
        "id": image,
        "class": subject.classes[int(crops.labels[0])],
        "layer1_map": found.layer1_map,
        "layer2_map": unit[0],
        "y": unit[1],
        "x": unit[2],
        "activation": float(chosen["activation"]),
        "rows": field.visible(unit[1]),
        "columns": field.visible(unit[2]),
        "pool": {"size": pool.size, "stride": pool.stride},
        "unpooling": settings.unpooling,
    }
    return {"steps.safetensors": {"image": crops.images[0].numpy(), **found.arrays()}, "steps.json": described}


def pooling(architecture: Architecture) -> Pool:
    """Return the pooling between layers 1 and 2. Raise UnavailableError if there is none to show."""
    first, *above = architecture.convs
    if not first.pool or not above:
        raise UnavailableError("there is no pooling between layers 1 and 2")
    if first.size <= SHOWN:
        raise UnavailableError(f"layer 1's pooled maps are too small: {first.size} x {first.size}")
    return first.pool


@torch.no_grad()
def steps(network: ConvNet, image: Float[Tensor, "1 3 y x"], unit: tuple[int, int, int], settings: Deconvnet) -> Steps:
    """Follow the activation of the layer-2 unit `(map, y, x)`, in its rectified map."""
    first, second = network.trace(image, last=2)
    conv1, conv2 = network.architecture.convs[:2]
    kept = torch.zeros_like(second.rectified)
    kept[0, *unit] = second.rectified[0, *unit]
    down = filtered_down(kept.relu(), network.conv(2).weight, conv2)
    if not network.norm.before_pool:
        down = unnormalised(network, first, down, settings.norm)
    above = unpooled(down, first, settings.unpooling)
    if network.norm.before_pool:
        above = unnormalised(network, first, above, settings.norm)
    rectified = above.relu()
    pixels = filtered_down(rectified, network.conv(1).weight, conv1) * network.input_scale
    most = int(rectified[0].sum((1, 2)).argmax())
    assert first.switches is not None
    pooled = first.rectified.flatten(2).gather(2, first.switches.flatten(2)).view_as(first.switches)

    def plane(maps: Tensor, number: int) -> np.ndarray:
        return maps[0, number].cpu().numpy()

    return Steps(
        plane(first.rectified, most),
        plane(first.switches, most),
        plane(pooled, most),
        plane(second.rectified, unit[0]),
        plane(kept, unit[0]),
        plane(down, most),
        plane(above, most),
        plane(rectified, most),
        pixels[0].permute(1, 2, 0).cpu().numpy(),
        most,
    )
