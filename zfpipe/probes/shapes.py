"""Measure the sizes of a built network's layers (Fig. 3)."""

from pathlib import Path
from typing import Any

import torch

from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.sections import Network


def run(model: Network, crop: int, classes: int, pretrained: Path) -> list[dict[str, Any]]:
    """Return the layers of the network built from these parameters, or of `pretrained` if the model has a source."""
    return measure(weights.started(model, crop, classes, 0, pretrained, torch.device("cpu")))


@torch.inference_mode()
def measure(network: ConvNet | Foreign) -> list[dict[str, Any]]:
    """Return one entry for each layer, lowest first, measured by passing one black image through the network.

    Sizes are sides of square maps: `size` after the filter, `pooled` after the pooling (null without pooling).
    `parameters` counts weights and biases; in a foreign network it counts all between two examined layers.
    """
    if isinstance(network, Foreign):
        return foreign(network)
    device = next(network.parameters()).device
    crop = network.architecture.crop
    image = torch.zeros(1, 3, crop, crop, device=device)
    layers: list[dict[str, Any]] = [{"kind": "input", "maps": 3, "size": crop}]
    for conv, trace in zip(network.architecture.convs, network.trace(image), strict=True):
        filters = network.conv(trace.layer)
        layers.append(
            {
                "kind": "conv",
                "layer": trace.layer,
                "maps": trace.rectified.shape[1],
                "size": trace.rectified.shape[-1],
                "filter_size": filters.weight.shape[-1],
                "stride": filters.stride[0],
                "padding": filters.padding[0],
                "pooled": trace.output.shape[-1] if trace.switches is not None else None,
                "pool": [conv.pool.size, conv.pool.stride] if conv.pool else None,
                "normed": conv.normed,
                "before_pool": conv.normed and network.norm.before_pool,
                "parameters": sum(parameter.numel() for parameter in filters.parameters()),
            }
        )
    for dense in network.architecture.denses:
        module = network.denses[str(dense.layer)]
        weight = module.get_parameter("weight")
        layers.append(
            {
                "kind": dense.kind,
                "layer": dense.layer,
                "units_in": weight.shape[1],
                "units": weight.shape[0],
                "parameters": sum(parameter.numel() for parameter in module.parameters()),
            }
        )
    return layers


def foreign(network: Foreign) -> list[dict[str, Any]]:
    """Return the examined layers of a foreign network; `field` is a unit's receptive field, at most the crop."""
    outline, counts = network.architecture, network.counts()
    layers: list[dict[str, Any]] = [{"kind": "input", "maps": 3, "size": outline.crop}]
    for conv in outline.convs:
        field = min(conv.field.size, outline.crop)
        sizes = {"maps": conv.maps, "size": conv.map_size, "field": field, "parameters": counts[conv.layer]}
        layers.append({"kind": "maps", "layer": conv.layer, "name": conv.name, **sizes})
    for dense in outline.denses:
        entry = {"kind": dense.kind, "layer": dense.layer, "units": dense.units}
        layers.append(entry | {"parameters": counts[dense.layer]})
    return layers
