"""Occlusion (section 4.2, Fig. 7): what the network answers as an occluder covers one place of an image after another.

An occluder changes only the values whose receptive fields it touches. These alone are computed, layer by layer, beside
the cached values of the unoccluded image, and are to rounding those of a whole forward pass (Nakandala et al., SIGMOD
2019). Filters are linear, so a layer gets the difference from the unoccluded image, which is zero around the occluder
and needs no margin: new sums are the old ones plus the filtered difference. ReLU, pooling and normalisation get values.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from zfpipe.network.architecture import Architecture, Conv
from zfpipe.network.convnet import ConvNet

WORTHWHILE = 0.75
"""Differences are computed up to this share of the multiply-adds that whole maps take; with more, they are slower."""


@dataclass(frozen=True)
class Occluders:
    """Rectangles of one size by their upper left corners, in pixels; what hangs over the image's border is cut off."""

    tops: Int64[Tensor, "position"]
    lefts: Int64[Tensor, "position"]
    height: int
    width: int

    def split(self, batch: int) -> Iterator["Occluders"]:
        """In their order, so many at a time."""
        for tops, lefts in zip(self.tops.split(batch), self.lefts.split(batch), strict=True):
            yield Occluders(tops, lefts, self.height, self.width)

    def cover(self, ys: "Windows", xs: "Windows") -> Bool[Tensor, "position y x"]:
        """Which pixels of these windows are occluded."""
        y, x = ys.places() - self.tops[:, None], xs.places() - self.lefts[:, None]
        return ((y >= 0) & (y < self.height))[:, :, None] & ((x >= 0) & (x < self.width))[:, None, :]


@dataclass(frozen=True)
class Answers:
    """For each position the logits and the last convolution layer's maps, after ReLU and before pooling."""

    logits: Float[Tensor, "position class"]
    maps: Float[Tensor, "position map y x"]


class Occlusion:
    """An image before a network, and what its pixels become where they are occluded.

    Both are as the network takes them: RGB minus the mean. A grey occluder's `fill` is that grey minus the mean.
    """

    @torch.no_grad()
    def __init__(self, network: ConvNet, image: Float[Tensor, "3 crop crop"], fill: Float[Tensor, "3 crop crop"]):
        self.network, self.image, self.fill = network, image, fill
        self.pixels = table((fill - image)[None] * network.input_scale, beyond=0.0)
        self.layers: list[Cached] = []
        signal = image[None] * network.input_scale
        for conv in network.architecture.convs:
            sums = network.conv(conv.layer)(signal)
            rectified = sums.relu()
            signal = network.finish(conv, rectified)
            self.layers.append(Cached(conv, table(sums, beyond=-torch.inf), table(signal, beyond=0.0)))
        self.unoccluded = Answers(network.classify(signal), rectified)

    def answers(self, occluders: Occluders, batch: int = 64) -> Iterator[Answers]:
        """In the order of the positions, by batches; through whole images where differences would be slower."""
        for part in occluders.split(batch):
            ys = spread(self.network.architecture, part.tops, part.height)
            xs = spread(self.network.architecture, part.lefts, part.width)
            plan = list(zip(steps(self.network.architecture, ys), steps(self.network.architecture, xs), strict=True))
            quick = share(self.network, plan) <= WORTHWHILE
            found = self.through_differences(part, plan) if quick else self.through_images(part)
            seen = (ys[-1].last > ys[-1].first) & (xs[-1].last > xs[-1].first)
            if not seen.all():
                unseen = (~seen).to(self.image.device)
                found.logits[unseen], found.maps[unseen] = self.unoccluded.logits, self.unoccluded.maps
            yield found

    @torch.no_grad()
    def through_images(self, occluders: Occluders) -> Answers:
        """By a forward pass of whole images."""
        whole = Windows(torch.zeros_like(occluders.tops), self.image.shape[1])
        cover = occluders.cover(whole, whole)[:, None].to(self.image.device)
        images = self.fill.where(cover, self.image).contiguous(memory_format=torch.channels_last)
        *_, last = self.network.trace(images, switches=False)
        return Answers(self.network.classify(last.output), last.rectified)

    @torch.no_grad()
    def through_differences(self, occluders: Occluders, plan: list[tuple["Step", "Step"]]) -> Answers:
        """By what differs from the unoccluded image."""
        ys, xs = (step.changed for step in plan[0])
        places = ys.on(xs, *self.image.shape[1:])
        difference = take(self.pixels, places.where(occluders.cover(ys, xs), len(self.pixels) - 1))
        *lower, last = zip(self.layers, plan, strict=True)
        for layer, (y, x) in lower:
            output = self.network.finish(layer.conv, layer.rectified(self.network, difference, y, x))
            difference = layer.difference(output, y, x)
        layer, (y, x) = last
        maps = layer.rectified(self.network, difference, y, x)
        return Answers(self.network.classify(self.network.finish(layer.conv, maps)), maps)


@dataclass(frozen=True)
class Cached:
    """A layer's filtered sums and its output for the unoccluded image, a row for each place and one for all beyond."""

    conv: Conv
    sums: Float[Tensor, "places map"]
    output: Float[Tensor, "pooled_places map"]

    def rectified(
        self, network: ConvNet, difference: Float[Tensor, "position map_in y x"], ys: "Step", xs: "Step"
    ) -> Float[Tensor, "position map pooling_y pooling_x"]:
        """The occluded images' values after ReLU, wherever pools need them, from the difference of the input."""
        conv = self.conv
        padding = (conv.filter_size - 1) // conv.stride * conv.stride
        sums = functional.conv2d(difference, network.conv(conv.layer).weight, None, conv.stride, padding)
        sums += take(self.sums, ys.filtered.on(xs.filtered, conv.map_size, conv.map_size))
        places = ys.pooling.on(xs.pooling, conv.map_size, conv.map_size)
        rows = functional.pad(places.flatten(), (0, 1))  # and a last one, for the sums that no pool needs
        values = self.sums.index_select(0, rows.to(self.sums.device))
        values.index_copy_(0, pasted(ys, xs).to(values.device), sums.permute(0, 2, 3, 1).flatten(0, 2))
        return values[:-1].unflatten(0, places.shape).permute(0, 3, 1, 2).relu_()

    def difference(
        self, output: Float[Tensor, "position map y x"], ys: "Step", xs: "Step"
    ) -> Float[Tensor, "position map y x"]:
        """Of the occluded images' output from the unoccluded one's; none beyond the border."""
        places = ys.output.on(xs.output, self.conv.size, self.conv.size)
        inside = (places < self.conv.size**2)[:, None].to(output.device)
        return (output - take(self.output, places)) * inside


def table(maps: Float[Tensor, "1 map y x"], beyond: float) -> Float[Tensor, "places map"]:
    """A row for each place of the maps, and a last one for what lies beyond the border."""
    return functional.pad(maps[0].flatten(1).T, (0, 0, 0, 1), value=beyond).contiguous()


def take(rows: Float[Tensor, "places map"], places: Int64[Tensor, "position y x"]) -> Float[Tensor, "position map y x"]:
    """Windows from a table of maps."""
    return rows.index_select(0, places.flatten().to(rows.device)).unflatten(0, places.shape).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Span:
    """What each occluder changes along one axis of some maps: from `first` up to but not including `last`."""

    first: Int64[Tensor, "position"]
    last: Int64[Tensor, "position"]

    def above(self, size: int, stride: int, padding: int, whole: int) -> "Span":
        """What it changes along the `whole` places that filters or pools of this size give."""
        first = (-((size - 1 - padding - self.first) // stride)).clamp(min=0)
        last = ((self.last - 1 + padding) // stride + 1).clamp(max=whole)
        return Span(first, last.where(self.last > self.first, first))


@dataclass(frozen=True)
class Windows:
    """Windows of one size along one axis of some maps, one for each position; they may hang over the border."""

    start: Int64[Tensor, "position"]
    size: int

    def places(self) -> Int64[Tensor, "position size"]:
        """All their places."""
        return self.start[:, None] + torch.arange(self.size)

    def on(self, xs: "Windows", height: int, width: int) -> Int64[Tensor, "position y x"]:
        """With `xs` along the other axis: rows of the table of such a map; beyond the border the last."""
        y, x = self.places()[:, :, None], xs.places()[:, None, :]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return (y * width + x).where(inside, height * width)


@dataclass(frozen=True)
class Step:
    """Windows along one axis: of a layer's changed input, its filters' sums, what its pools need, and its output."""

    changed: Windows
    filtered: Windows
    pooling: Windows
    output: Windows


def spread(architecture: Architecture, start: Int64[Tensor, "position"], length: int) -> list[Span]:
    """What occluders change along one axis of each layer's input, and at last of the last layer's output."""
    spans = [Span(start.clamp(min=0), (start + length).clamp(max=architecture.crop))]
    for conv in architecture.convs:
        span = spans[-1].above(conv.filter_size, conv.stride, conv.padding, conv.map_size)
        spans.append(span.above(conv.pool.size, conv.pool.stride, 0, conv.size) if conv.pool else span)
    return spans


def steps(architecture: Architecture, spans: list[Span]) -> list[Step]:
    """Through all layers along one axis: windows that hold the largest change, and all of the last layer's maps.

    A window starts where a filter starts, so that filters meet it at the same places in all positions.
    """
    origin = torch.zeros_like(spans[0].first)
    found, output, pooling = [], Windows(origin, architecture.convs[-1].size), None
    for conv, span in zip(architecture.convs[::-1], spans[-2::-1], strict=True):
        reach = (conv.filter_size - 1) // conv.stride
        unit = (span.first + conv.padding) // conv.stride
        start = unit * conv.stride - conv.padding
        strides = -(-max(1, int((span.last - start).max())) // conv.stride)
        changed, filtered = Windows(start, strides * conv.stride), Windows(unit - reach, strides + reach)
        pool = conv.pool
        if not found:
            pooling = Windows(origin, conv.map_size)
        elif pool:
            pooling = Windows(output.start * pool.stride, (output.size - 1) * pool.stride + pool.size)
        else:
            pooling = output
        found.append(Step(changed, filtered, pooling, output))
        output = changed
    return found[::-1]


def pasted(ys: Step, xs: Step) -> Int64[Tensor, "places"]:
    """Rows of filtered sums in the windows that pools need, all positions' rows in order; beyond them the row after."""
    y, x = (Windows(step.filtered.start - step.pooling.start, step.filtered.size) for step in (ys, xs))
    area = ys.pooling.size * xs.pooling.size
    places = y.on(x, ys.pooling.size, xs.pooling.size)
    rows = torch.arange(len(places))[:, None, None] * area + places
    return rows.where(places < area, len(places) * area).flatten()


def share(network: ConvNet, plan: list[tuple[Step, Step]]) -> float:
    """Multiply-adds of filters and normalisation for the differences, as a share of those for whole maps."""
    part = whole = 0.0
    for conv, (y, x) in zip(network.architecture.convs, plan, strict=True):
        weights = conv.maps_in * conv.maps * conv.filter_size**2
        part += y.changed.size * x.changed.size * weights / conv.stride**2
        whole += conv.map_size**2 * weights
        if conv.normed:
            first = network.norm.before_pool
            rows, columns = (step.pooling if first else step.output for step in (y, x))
            part += rows.size * columns.size * conv.maps**2
            whole += (conv.map_size if first else conv.size) ** 2 * conv.maps**2
    return part / whole
