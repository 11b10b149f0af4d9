"""What occluders change in a network's maps: planned once for a grid of positions, used for one image after another.

A plan holds rows of tables: a table has a row for each place of a map and a last one for all places beyond its border.
Of several images the tables stand one below the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from zfpipe.network.architecture import Architecture, Conv
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign

WORTHWHILE = 0.75
"""Differences are computed up to this share of the multiply-adds that whole maps take; with more, they are slower."""
BATCH = 64
"""Occluded images that are computed together, on a processor."""


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

    def repeated(self, images: int) -> "Occluders":
        """All positions of the first image, then of the second, ..."""
        return Occluders(self.tops.repeat(images), self.lefts.repeat(images), self.height, self.width)

    def cover(self, ys: "Windows", xs: "Windows") -> Bool[Tensor, "position y x"]:
        """Which pixels of these windows are occluded."""
        y, x = ys.places() - self.tops[:, None], xs.places() - self.lefts[:, None]
        return ((y >= 0) & (y < self.height))[:, :, None] & ((x >= 0) & (x < self.width))[:, None, :]


class Plan:
    """What occluders change in every layer of a network, some positions at a time."""

    def __init__(self, network: ConvNet | Foreign, occluders: Occluders, batch: int = BATCH):
        self.network, self.occluders, self.batch = network, occluders, batch
        self.made: dict[int, list[Part]] = {}

    def parts(self, images: int = 1) -> list["Part"]:
        """The positions in their order, for so many images; made once. A part has `batch` occluded images at most."""
        assert isinstance(self.network, ConvNet), "others plan by themselves"
        if images not in self.made:
            split = self.occluders.split(max(1, self.batch // images))
            self.made[images] = [Part.of(self.network, one, images) for one in split]
        return self.made[images]


@dataclass(frozen=True)
class Rows:
    """Rows of the tables of a layer's filtered sums and output, for the windows of some positions.

    `sums`: where the difference is filtered. `pooling`: what pools need. `pasted`: where those go among these.
    `output`: where the output is compared; `inside`: not beyond the border.
    """

    sums: Int64[Tensor, "position filtered_y filtered_x"]
    pooling: Int64[Tensor, "position pooling_y pooling_x"]
    pasted: Int64[Tensor, "place"]
    output: Int64[Tensor, "position y x"]
    inside: Bool[Tensor, "position 1 y x"]

    @classmethod
    def of(cls, conv: Conv, ys: "Step", xs: "Step", image: Int64[Tensor, "position"], device: torch.device) -> "Rows":
        """Of the windows along both axes, each in the tables of its image."""

        def table(y: Windows, x: Windows, side: int) -> Int64[Tensor, "position y x"]:
            return (y.on(x, side, side) + (image * (side**2 + 1))[:, None, None]).to(device)

        return cls(
            table(ys.filtered, xs.filtered, conv.map_size),
            table(ys.pooling, xs.pooling, conv.map_size),
            pasted(ys, xs).to(device),
            table(ys.output, xs.output, conv.size),
            (ys.output.on(xs.output, conv.size, conv.size) < conv.size**2)[:, None].to(device),
        )


@dataclass(frozen=True)
class Part:
    """Some positions of each of some images, those of the first image first.

    `image`: which one. `unseen`: the occluder changes nothing. `pixels`: rows of the table of pixels, the last where
    nothing is occluded. Where whole images are quicker there are no `layers`; `cover` says which pixels are occluded.
    """

    images: int
    image: Int64[Tensor, "position"]
    unseen: Int64[Tensor, "unseen"]
    pixels: Int64[Tensor, "position y x"] | None
    layers: list[Rows]
    cover: Bool[Tensor, "position 1 crop crop"] | None

    @classmethod
    def of(cls, network: ConvNet, occluders: Occluders, images: int) -> "Part":
        """Of these positions in each image, by the way that is quicker."""
        architecture, device = network.architecture, network.conv(1).weight.device
        image = torch.arange(images).repeat_interleave(len(occluders.tops))
        occluders = occluders.repeated(images)
        ys, xs = (
            spread(architecture, start, length)
            for start, length in ((occluders.tops, occluders.height), (occluders.lefts, occluders.width))
        )
        unseen = ((ys[-1].last <= ys[-1].first) | (xs[-1].last <= xs[-1].first)).nonzero()[:, 0].to(device)
        plan = list(zip(steps(architecture, ys), steps(architecture, xs), strict=True))
        if share(network, plan) > WORTHWHILE:
            whole = Windows(torch.zeros_like(occluders.tops), architecture.crop)
            return cls(images, image.to(device), unseen, None, [], occluders.cover(whole, whole)[:, None].to(device))
        y, x = (step.changed for step in plan[0])
        crop = architecture.crop
        places = y.on(x, crop, crop).where(occluders.cover(y, x), crop**2) + (image * (crop**2 + 1))[:, None, None]
        layers = [Rows.of(conv, *both, image, device) for conv, both in zip(architecture.convs, plan, strict=True)]
        return cls(images, image.to(device), unseen, places.to(device), layers, None)


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
