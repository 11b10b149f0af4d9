"""The deconvnet of section 2.1: projects single activations to pixels, many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from zfpipe.network.architecture import Conv
from zfpipe.network.convnet import ConvNet, LayerTrace
from zfpipe.network.foreign import Foreign
from zfpipe.sections import Deconvnet


@dataclass(frozen=True)
class Units:
    """One activation for each image of a batch, all in one layer: its map and its place in the rectified map."""

    layer: int
    maps: Int64[Tensor, "batch"]
    ys: Int64[Tensor, "batch"]
    xs: Int64[Tensor, "batch"]


def refusal(network: ConvNet | Foreign, settings: Deconvnet) -> str | None:
    """Return why a network can't be projected, as a clause, or None if it can."""
    if not isinstance(network, Foreign):
        return None
    if settings.unpooling == "overwrite":
        return "deconvnet.unpooling = overwrite is for our own networks; must be sum for model.source"
    return network.refusal(settings.norm)


@torch.no_grad()
def project(
    network: ConvNet | Foreign, images: Float[Tensor, "batch 3 y x"], units: Units, settings: Deconvnet
) -> tuple[Float[Tensor, "batch 3 y x"], Float[Tensor, "batch"]]:
    """Project one activation of each image to pixel space; also return the activations.

    All other activations of the layer are set to zero. Then each layer (i) unpools with the switches of the forward
    pass, (ii) rectifies, (iii) convolves with the transposed filters, without biases. The last step, to pixels, is a
    convolution, so negative values are expected.
    """
    if isinstance(network, Foreign):
        return network.project(images, units.layer, units.maps, units.ys, units.xs, settings.norm)
    traces = list(network.trace(images, units.layer))
    top = traces[-1].rectified
    rows = torch.arange(len(images), device=images.device)
    activations = top[rows, units.maps, units.ys, units.xs]
    signal = torch.zeros_like(top)
    signal[rows, units.maps, units.ys, units.xs] = activations
    return descend(network, traces, signal, settings), activations


def descend(
    network: ConvNet, traces: Sequence[LayerTrace], signal: Float[Tensor, "batch map top_y top_x"], settings: Deconvnet
) -> Float[Tensor, "batch 3 y x"]:
    """Project a signal in the rectified maps of the last trace in `traces` to pixels."""
    convs = {conv.layer: conv for conv in network.architecture.convs}
    for position in range(len(traces) - 1, -1, -1):
        conv = convs[traces[position].layer]
        signal = filtered_down(functional.relu(signal), network.conv(conv.layer).weight, conv)
        if position > 0:
            signal = to_rectified(network, traces[position - 1], signal, settings)
    return signal * network.input_scale


def to_rectified(
    network: ConvNet,
    trace: LayerTrace,
    signal: Float[Tensor, "batch map pooled_y pooled_x"],
    settings: Deconvnet,
) -> Float[Tensor, "batch map y x"]:
    """Project a signal from a layer's output to its rectified map, through normalisation and pooling."""
    if network.norm.before_pool:
        return unnormalised(network, trace, unpooled(signal, trace, settings.unpooling), settings.norm)
    return unpooled(unnormalised(network, trace, signal, settings.norm), trace, settings.unpooling)


def filtered_down(
    signal: Float[Tensor, "batch map y x"], weight: Float[Tensor, "map map_in fy fx"], conv: Conv
) -> Float[Tensor, "batch map_in y_in x_in"]:
    """Apply the transpose of a layer's convolution. `conv_transpose2d` flips the filters itself."""
    least = (conv.map_size - 1) * conv.stride - 2 * conv.padding + conv.filter_size
    return functional.conv_transpose2d(
        signal, weight, stride=conv.stride, padding=conv.padding, output_padding=conv.input_size - least
    )


def unpooled(
    signal: Float[Tensor, "batch map pooled_y pooled_x"],
    trace: LayerTrace,
    rule: Literal["sum", "overwrite"],
) -> Float[Tensor, "batch map y x"]:
    """Put each pooled value at the place of its maximum.

    Pooling windows overlap, so two values can share a switch. `sum` adds them, which is the transpose of the pooling.
    `overwrite` keeps the last value on any device, as `max_unpool2d` does with one thread. With several threads, or
    with a plain scatter on a GPU, the order would be random.
    """
    if trace.switches is None:
        return signal
    flat = torch.zeros_like(trace.rectified, memory_format=torch.contiguous_format).flatten(2)
    switches, values = trace.switches.flatten(2), signal.flatten(2)
    if rule == "sum":
        return flat.scatter_add_(2, switches, values).view(trace.rectified.shape)
    order = torch.arange(switches.shape[2], device=switches.device).expand_as(switches)
    last = torch.full_like(flat, -1, dtype=torch.int64).scatter_reduce_(2, switches, order, "amax")
    return torch.where(last >= 0, values.gather(2, last.clamp(min=0)), flat).view(trace.rectified.shape)


def unnormalised(
    network: ConvNet, trace: LayerTrace, signal: Float[Tensor, "batch map y x"], rule: Literal["skip", "gradient"]
) -> Float[Tensor, "batch map y x"]:
    """Project a signal through the normalisation: skip it, since the paper lists no such step, or use its gradient."""
    if trace.normed is None or rule == "skip":
        return signal
    with torch.enable_grad():
        maps = trace.normed.detach().requires_grad_()
        output = network.normalise(trace.layer, maps)
    return torch.autograd.grad(output, maps, signal)[0]
