"""The deconvnet of section 2.1: single activations projected down to pixels, many at once."""

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
from zfpipe.params import Deconvnet


@dataclass(frozen=True)
class Units:
    """One activation of each image of a batch, all in one layer: its map and its place in the rectified map."""

    layer: int
    maps: Int64[Tensor, "batch"]
    ys: Int64[Tensor, "batch"]
    xs: Int64[Tensor, "batch"]


def refusal(network: ConvNet | Foreign, settings: Deconvnet) -> str | None:
    """Return why a network can't be projected, as a clause; None: it can."""
    if not isinstance(network, Foreign):
        return None
    if settings.unpooling == "overwrite":
        return "deconvnet.unpooling = overwrite is for our own networks; must be sum for model.source"
    return network.refusal(settings.norm)


@torch.no_grad()
def project(
    network: ConvNet | Foreign, images: Float[Tensor, "batch 3 y x"], units: Units, settings: Deconvnet
) -> tuple[Float[Tensor, "batch 3 y x"], Float[Tensor, "batch"]]:
    """Projects one activation of each image to pixel space; also returns the activations.

    All other activations of the layer are set to zero; then, layer by layer, (i) unpool with the
    switches of the way up, (ii) rectify, (iii) filter with the transposed filters, without biases.
    The last step, to pixels, is a filter: negative values are expected.
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
    """Takes a signal in the rectified maps of the last of `traces` down to pixels."""
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
    """Takes a signal in a layer's output down to its rectified map: back through what follows the ReLU, last first."""
    if network.norm.before_pool:
        return unnormalised(network, trace, unpooled(signal, trace, settings.unpooling), settings.norm)
    return unpooled(unnormalised(network, trace, signal, settings.norm), trace, settings.unpooling)


def filtered_down(
    signal: Float[Tensor, "batch map y x"], weight: Float[Tensor, "map map_in fy fx"], conv: Conv
) -> Float[Tensor, "batch map_in y_in x_in"]:
    """The transpose of a layer's filtering. `conv_transpose2d` flips the filters itself: they go in as they are."""
    least = (conv.map_size - 1) * conv.stride - 2 * conv.padding + conv.filter_size
    return functional.conv_transpose2d(
        signal, weight, stride=conv.stride, padding=conv.padding, output_padding=conv.input_size - least
    )


def unpooled(
    signal: Float[Tensor, "batch map pooled_y pooled_x"],
    trace: LayerTrace,
    rule: Literal["sum", "overwrite"],
) -> Float[Tensor, "batch map y x"]:
    """Places each pooled value where its maximum was.

    Pool windows overlap, so two can share a switch: `sum` adds them, which is the transpose of the
    pooling; `overwrite` keeps the last on any device, as `max_unpool2d` does with one thread: its threads, and those of
    a plain scatter on a GPU, race for a shared switch.
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
    """The way down through the normalisation: nothing, as the paper lists none, or its gradient."""
    if trace.normed is None or rule == "skip":
        return signal
    with torch.enable_grad():
        maps = trace.normed.detach().requires_grad_()
        output = network.normalise(trace.layer, maps)
    return torch.autograd.grad(output, maps, signal)[0]
