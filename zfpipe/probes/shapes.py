"""The layers of a built network with the sizes that an image really has in them (Fig. 3)."""

from pathlib import Path
from typing import Any

import torch

from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.params import Network


def run(model: Network, crop: int, classes: int, pretrained: Path) -> list[dict[str, Any]]:
    """The layers of the network that these parameters build, or that `pretrained` holds where it has a source."""
    return measure(weights.started(model, crop, classes, 0, pretrained, torch.device("cpu")))


@torch.inference_mode()
def measure(network: ConvNet | Foreign) -> list[dict[str, Any]]:
    """One entry a layer, lowest first, from one black image that goes through the network.

    Sizes are sides of square maps: `size` after the filter, `pooled` after the pooling (null: none). `parameters`
    counts weights and biases, of a foreign network's layers those between one that is looked at and the next.
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
    """The layers of a foreign network that are looked at; `field` is the side of what a unit sees, the crop at most."""
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
