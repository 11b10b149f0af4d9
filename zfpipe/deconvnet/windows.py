"""The deconvnet on receptive fields alone: the same numbers as on whole images, for a fraction of the work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional

from zfpipe.beton.compiled import numba, set_numba_threads
from zfpipe.deconvnet.deconvnet import Units, project, to_rectified, unnormalised, unpooled
from zfpipe.network.architecture import Conv
from zfpipe.network.convnet import ConvNet, LayerTrace
from zfpipe.network.foreign import Foreign
from zfpipe.network.receptive_field import ReceptiveField, receptive_field
from zfpipe.sections import Deconvnet

BATCH = 64
"""Units of one layer that are projected together."""


@dataclass(frozen=True)
class Frames:
    """Square windows of one size in maps of `whole` x `whole`, one for each image; may extend beyond the border."""

    top: Int64[Tensor, "batch"]
    left: Int64[Tensor, "batch"]
    size: int
    whole: int

    def below(self, size: int, stride: int, padding: int, whole: int) -> "Frames":
        """Return the input windows of a convolution or pool whose outputs are these windows."""
        top, left = (start * stride - padding for start in (self.top, self.left))
        return Frames(top, left, (self.size - 1) * stride + size, whole)

    def places(self, start: Int64[Tensor, "batch"]) -> tuple[Int64[Tensor, "batch side"], Bool[Tensor, "batch side"]]:
        """Return the windows' rows or columns, clamped to the map, and which of them lie inside the map."""
        places = start[:, None] + torch.arange(self.size, device=start.device)
        return places.clamp(0, self.whole - 1), (places >= 0) & (places < self.whole)

    def cut(
        self, maps: Shaped[Tensor, "image map y x"], rows: Int64[Tensor, "batch"]
    ) -> Shaped[Tensor, "batch map side side"]:
        """Cut the windows out of the images' whole maps, with zeros beyond the border."""
        (ys, _), (xs, _) = self.places(self.top), self.places(self.left)
        cut = maps.permute(0, 2, 3, 1)[rows[:, None, None], ys[:, :, None], xs[:, None, :]]
        return self.inside(cut.permute(0, 3, 1, 2))

    def inside(self, windows: Shaped[Tensor, "batch map side side"]) -> Shaped[Tensor, "batch map side side"]:
        """Set the windows to zero beyond the border, where whole maps have nothing or padding."""
        (_, rows), (_, columns) = self.places(self.top), self.places(self.left)
        if rows.all() and columns.all():
            return windows
        return windows * (rows[:, None, :, None] & columns[:, None, None, :])


@torch.no_grad()
def project_windows(
    network: ConvNet | Foreign,
    images: Float[Tensor, "image 3 y x"],
    layers: Sequence[tuple[Units, Int64[Tensor, "_"]]],
    settings: Deconvnet,
) -> list[tuple[Float[Tensor, "_ 3 _ _"], Float[Tensor, "_"]]]:
    """Project units of several layers, given with the row of each unit's image. Return pixels and activations.

    The pixels are those of `deconvnet.project`, cut to the units' receptive fields: `(batch, 3, side, side)`, zero
    beyond the image's border. Lower layers run on whole images and are shared by the units of an image, if this takes
    fewer multiply-adds than windows for each unit. Memory grows with the number of images.

    Unpooling by `overwrite` uses whole maps: a window outside the field may overwrite a value with zero.
    """
    if isinstance(network, Foreign):
        return [projected_whole(network, images, units, rows, settings) for units, rows in layers]
    shared: list[LayerTrace] = []
    if settings.unpooling == "sum":
        depth = shared_layers(network.architecture.convs, len(images), [units for units, _ in layers])
        shared = list(network.trace(images, network.architecture.convs[depth - 1].layer)) if depth else []
    found = []
    for units, rows in layers:
        parts = []
        for part in torch.arange(len(rows), device=rows.device).split(BATCH):
            some = Units(units.layer, units.maps[part], units.ys[part], units.xs[part])
            parts.append(project_some(network, images, shared, some, rows[part], settings))
        pixels, activations = zip(*parts, strict=True)
        found.append((torch.cat(pixels), torch.cat(activations)))
    return found


def projected_whole(
    network: Foreign,
    images: Float[Tensor, "image 3 y x"],
    units: Units,
    rows: Int64[Tensor, "batch"],
    settings: Deconvnet,
) -> tuple[Float[Tensor, "batch 3 side side"], Float[Tensor, "batch"]]:
    """Run `project_windows` for a foreign network: project whole images, then cut."""
    field, crop = window(network, units.layer), network.architecture.crop
    found, activations = [], []
    for part in torch.arange(len(rows), device=rows.device).split(BATCH):
        maps, ys, xs = units.maps[part], units.ys[part], units.xs[part]
        whole, values = network.project(images[rows[part]], units.layer, maps, ys, xs, settings.norm)
        frames = Frames(field.start + ys * field.jump, field.start + xs * field.jump, field.size, crop)
        found.append(frames.cut(whole, torch.arange(len(part), device=rows.device)))
        activations.append(values)
    return torch.cat(found), torch.cat(activations)


def window(network: ConvNet | Foreign, layer: int) -> ReceptiveField:
    """Return the receptive field to which projections are cut; for a foreign network, at most the crop.

    In zfpipe's own networks, a field larger than the crop is filled with zeros beyond the border.
    """
    field, crop = receptive_field(network.architecture, layer), network.architecture.crop
    return ReceptiveField(0, crop, 0, crop) if isinstance(network, Foreign) and field.size > crop else field


def shared_layers(convs: Sequence[Conv], images: int, layers: Sequence[Units]) -> int:
    """Return how many layers to compute on whole images, so that the total work is least; windows do the rest."""

    def work(depth: int) -> int:
        whole = sum(images * multiply_adds(conv, conv.map_size) for conv in convs[:depth])
        for units in layers:
            frames = frames_above(convs, units)
            whole += sum(
                len(units.maps) * multiply_adds(conv, rectified.size)
                for conv, (rectified, _) in list(zip(convs, frames, strict=False))[depth:]
            )
        return whole

    return min(range(len(convs) + 1), key=work)


def multiply_adds(conv: Conv, side: int) -> int:
    """Return the multiply-adds of a convolution with an output of `side` x `side`."""
    return side**2 * conv.maps * conv.maps_in * conv.filter_size**2


def project_some(
    network: ConvNet,
    images: Float[Tensor, "image 3 y x"],
    shared: Sequence[LayerTrace],
    units: Units,
    rows: Int64[Tensor, "batch"],
    settings: Deconvnet,
) -> tuple[Float[Tensor, "batch 3 side side"], Float[Tensor, "batch"]]:
    """Run `project_windows` for units of one layer; `shared` are the traces of whole images."""
    field = receptive_field(network.architecture, units.layer)
    tops, lefts = (field.start + places * field.jump for places in (units.ys, units.xs))
    pixels = Frames(tops, lefts, field.size, network.architecture.crop)
    if settings.unpooling == "overwrite":
        whole, activations = project(network, images[rows], units, settings)
        return pixels.cut(whole, torch.arange(len(rows), device=rows.device)), activations
    convs = [conv for conv in network.architecture.convs if conv.layer <= units.layer]
    frames = frames_above(convs, units)
    traces = [cut_trace(*one, rows, settings.norm) for one in zip(shared, frames[:-1], strict=False)]
    if len(shared) >= len(convs):
        activations = shared[len(convs) - 1].rectified[rows, units.maps, units.ys, units.xs]
    else:
        start = pixels.cut(images, rows) * network.input_scale
        if shared:
            start = frames[len(shared) - 1][1].cut(shared[-1].output, rows)
        traces += trace(network, convs[len(traces) :], frames[len(traces) :], start)
        activations = traces[-1].rectified[torch.arange(len(rows), device=rows.device), units.maps, 0, 0]
    # The transposed convolution of a single unit is the unit's filter
    signal = activations[:, None, None, None] * network.conv(units.layer).weight[units.maps]
    for conv, below, (_, output) in list(zip(convs[:-1], traces, frames, strict=False))[::-1]:
        signal, filters = output.inside(signal), network.conv(conv.layer).weight
        if below.normed is not None and network.norm.before_pool and settings.norm == "gradient":
            rectified = to_rectified(network, below, signal, settings).relu()
            signal = functional.conv_transpose2d(rectified, filters, stride=conv.stride)
            continue
        signal = down(unnormalised(network, below, signal, settings.norm), below, filters, conv)
    return pixels.inside(signal) * network.input_scale, activations


def frames_above(convs: Sequence[Conv], units: Units) -> list[tuple[Frames, Frames]]:
    """Return, for each layer up to the units' layer, the windows of its rectified maps and of its output."""
    convs = [conv for conv in convs if conv.layer <= units.layer]
    frames = Frames(units.ys, units.xs, 1, convs[-1].map_size)
    found = [(frames, frames)]
    for conv, below in zip(convs[:0:-1], convs[-2::-1], strict=True):
        output = frames.below(conv.filter_size, conv.stride, conv.padding, below.size)
        frames = output.below(below.pool.size, below.pool.stride, 0, below.map_size) if below.pool else output
        found.append((frames, output))
    return found[::-1]


def cut_trace(
    whole: LayerTrace, frames: tuple[Frames, Frames], rows: Int64[Tensor, "batch"], norm: Literal["skip", "gradient"]
) -> LayerTrace:
    """Cut the windows out of a layer's whole maps. Maps that the projection does not read get only a size."""
    rectified, output = frames
    switches = None
    if whole.switches is not None:
        # From places in whole maps to places in windows, which start further down and right and have shorter rows
        switches = output.cut(whole.switches, rows)
        first = rectified.top * rectified.size + rectified.left
        switches -= switches // rectified.whole * (rectified.whole - rectified.size) + first[:, None, None, None]
        switches.clamp_(0, rectified.size**2 - 1)  # the signal beyond the border is zero
    unread = whole.rectified.new_zeros(len(rows), whole.rectified.shape[1], 1, 1)
    given = None
    if norm == "gradient" and whole.normed is not None:
        given = (output if whole.normed.shape == whole.output.shape else rectified).cut(whole.normed, rows)
    maps, above = (unread.expand(-1, -1, side, side) for side in (rectified.size, output.size))
    return LayerTrace(whole.layer, maps, switches, given, above)


def down(
    signal: Float[Tensor, "batch map pooled_y pooled_x"],
    trace: LayerTrace,
    filters: Float[Tensor, "map map_in fy fx"],
    conv: Conv,
) -> Float[Tensor, "batch map_in y_in x_in"]:
    """Project a signal down one layer on windows: unpool by the sum, rectify, convolve with the transposed filters."""
    if trace.switches is None or signal.device.type != "cpu":
        signal = unpooled(signal, trace, "sum")
        return functional.conv_transpose2d(signal.relu(), filters, stride=conv.stride)
    side = trace.rectified.shape[-1]
    size = (side - 1) * conv.stride + conv.filter_size
    painted = torch.zeros(len(signal), size, size, conv.maps_in)
    set_numba_threads(torch.get_num_threads())
    paint(
        signal.permute(0, 2, 3, 1).flatten(1, 2).contiguous().numpy(),
        trace.switches.permute(0, 2, 3, 1).flatten(1, 2).contiguous().numpy(),
        filters.permute(0, 2, 3, 1).flatten(1).contiguous().numpy(),
        side,
        conv.filter_size,
        conv.stride,
        painted.flatten(2).numpy(),
    )
    return painted.permute(0, 3, 1, 2)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # a wrapped function could not be compiled
def paint(signal, switches, filters, side, size, stride, painted):  # pragma: no cover - compiled
    """`down` for float32 `signal` and int64 `switches`, both `(unit, place, map)`.

    Add the filters `(map, y * x * map_in)`, times the signal, to `painted`, zeros of `(unit, y, x * map_in)`. Only
    positive places are visited: less than a tenth remain after unpooling and ReLU.
    """
    maps, taps = filters.shape
    width = taps // size
    for unit in numba.prange(len(signal)):
        unpooled = np.zeros((side * side, maps), np.float32)
        for i in range(signal.shape[1]):
            for number in range(maps):
                unpooled[switches[unit, i, number], number] += signal[unit, i, number]
        patch = np.zeros(taps, np.float32)
        for place in range(side * side):
            some = False
            for number in range(maps):
                value = unpooled[place, number]
                if value > 0:
                    some, source = True, filters[number]
                    for j in range(taps):
                        patch[j] += value * source[j]
            if some:
                y, x = place // side * stride, place % side * stride * (width // size)
                for row in range(size):
                    target, part = painted[unit, y + row, x : x + width], patch[row * width : (row + 1) * width]
                    for j in range(width):
                        target[j] += part[j]
                patch[:] = 0


def trace(
    network: ConvNet,
    convs: Sequence[Conv],
    frames: Sequence[tuple[Frames, Frames]],
    signal: Float[Tensor, "batch map side side"],
) -> Iterator[LayerTrace]:
    """Yield the layers of a forward pass on windows, with switches, as `ConvNet.trace` does on whole images.

    Beyond a map's border, the windows are zero, like the padding of the layer above. If a value inside equals this
    zero, the pool chooses the value inside, which comes first.
    """
    for conv, (rectified_frames, output_frames) in zip(convs, frames, strict=True):
        filters = network.conv(conv.layer)
        rectified = functional.relu(functional.conv2d(signal, filters.weight, filters.bias, conv.stride))
        rectified = signal = rectified_frames.inside(rectified)
        switches = given = None
        if conv is not convs[-1]:
            signal, switches, given = network.after(conv, rectified, switches=True)
            signal = output_frames.inside(signal)
        yield LayerTrace(conv.layer, rectified, switches, given, signal)
