"""The deconvnet on the receptive field alone: the same numbers as on the whole image, for a fraction of the work."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from zfpipe.convnet.architecture import Conv
from zfpipe.convnet.deconvnet import Units, project, unnormalised, unpooled
from zfpipe.convnet.network import ConvNet, LayerTrace
from zfpipe.convnet.receptive_field import receptive_field
from zfpipe.params import Deconvnet


@dataclass(frozen=True)
class Frames:
    """Square windows of one size in maps of `whole` x `whole`, one for each image; they may hang over the border."""

    top: Int64[Tensor, "batch"]
    left: Int64[Tensor, "batch"]
    size: int
    whole: int

    def below(self, size: int, stride: int, padding: int, whole: int) -> "Frames":
        """What filters or pools of this size see below."""
        top, left = (start * stride - padding for start in (self.top, self.left))
        return Frames(top, left, (self.size - 1) * stride + size, whole)

    def places(self, start: Int64[Tensor, "batch"]) -> tuple[Int64[Tensor, "batch side"], Bool[Tensor, "batch side"]]:
        """Rows or columns of the windows, those beyond the border moved to it, and which lie inside."""
        places = start[:, None] + torch.arange(self.size, device=start.device)
        return places.clamp(0, self.whole - 1), (places >= 0) & (places < self.whole)

    def cut(self, maps: Float[Tensor, "batch map y x"]) -> Float[Tensor, "batch map side side"]:
        """The windows of whole maps; zero beyond the border."""
        (ys, _), (xs, _) = self.places(self.top), self.places(self.left)
        images = torch.arange(len(maps), device=maps.device)[:, None, None]
        cut = maps.permute(0, 2, 3, 1)[images, ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2)
        return self.inside(cut)

    def inside(self, windows: Float[Tensor, "batch map side side"]) -> Float[Tensor, "batch map side side"]:
        """The windows with zero beyond the border, where the whole maps have nothing or padding."""
        (_, rows), (_, columns) = self.places(self.top), self.places(self.left)
        if rows.all() and columns.all():
            return windows
        return windows * (rows[:, None, :, None] & columns[:, None, None, :])


@torch.no_grad()
def project_windows(
    network: ConvNet, images: Float[Tensor, "batch 3 y x"], units: Units, settings: Deconvnet
) -> tuple[Float[Tensor, "batch 3 side side"], Float[Tensor, "batch"]]:
    """As `deconvnet.project`, cut to the units' receptive fields; zero beyond the image's border.

    Works on the receptive fields alone where they are smaller than the images. Unpooling by `overwrite` needs whole
    maps: there a window beyond the field may overwrite with its zero.
    """
    field = receptive_field(network.architecture, units.layer)
    tops, lefts = (field.start + places * field.jump for places in (units.ys, units.xs))
    pixels = Frames(tops, lefts, field.size, network.architecture.crop)
    if settings.unpooling == "overwrite" or field.size >= network.architecture.crop:
        whole, activations = project(network, images, units, settings)
        return pixels.cut(whole), activations
    convs = [conv for conv in network.architecture.convs if conv.layer <= units.layer]
    frames = list(frames_above(convs, units))[::-1]
    traces = list(trace(network, convs, frames, pixels.cut(images)))
    rows = torch.arange(len(images), device=images.device)
    activations = traces[-1].rectified[rows, units.maps, 0, 0]
    signal = torch.zeros_like(traces[-1].rectified)
    signal[rows, units.maps, 0, 0] = activations
    for position in range(len(convs) - 1, -1, -1):
        conv = convs[position]
        signal = functional.conv_transpose2d(signal.relu(), network.conv(conv.layer).weight, stride=conv.stride)
        if position > 0:
            below = traces[position - 1]
            signal = frames[position - 1][1].inside(signal)
            signal = unpooled(unnormalised(network, below, signal, settings.norm), below, convs[position - 1], "sum")
    return pixels.inside(signal) * network.input_scale, activations


def frames_above(convs: list[Conv], units: Units) -> Iterator[tuple[Frames, Frames]]:
    """From the units down: the windows that they see of each layer's rectified map, and of its output."""
    frames = Frames(units.ys, units.xs, 1, convs[-1].map_size)
    yield frames, frames
    for conv, below in zip(convs[:0:-1], convs[-2::-1], strict=True):
        output = frames.below(conv.filter_size, conv.stride, conv.padding, below.size)
        frames = output.below(below.pool.size, below.pool.stride, 0, below.map_size) if below.pool else output
        yield frames, output


def trace(
    network: ConvNet,
    convs: list[Conv],
    frames: list[tuple[Frames, Frames]],
    windows: Float[Tensor, "batch 3 side side"],
) -> Iterator[LayerTrace]:
    """The way up through the windows, with switches, as `ConvNet.trace` goes through whole images.

    Beyond a map's border stands zero, which is the padding of the layer above; a pool prefers an equal value inside,
    which comes first.
    """
    signal = windows * network.input_scale
    for conv, (rectified_frames, output_frames) in zip(convs, frames, strict=True):
        filters = network.conv(conv.layer)
        rectified = functional.relu(functional.conv2d(signal, filters.weight, filters.bias, conv.stride))
        rectified = signal = rectified_frames.inside(rectified)
        switches = None
        if conv.pool and conv is not convs[-1]:
            signal, switches = functional.max_pool2d(rectified, conv.pool.size, conv.pool.stride, return_indices=True)
            signal = output_frames.inside(signal)
        pooled = signal
        if conv.normed and conv is not convs[-1]:
            signal = network.normalise(conv.layer, pooled)
        yield LayerTrace(conv.layer, rectified, switches, pooled, signal)
