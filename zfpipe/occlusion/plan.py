"""What occluders change in a network's maps, planned once for a grid of positions and used for all images.

A plan holds row numbers of tables. A table has a row for each place of a map, and a last row for all places beyond the
border. The tables of several images are stacked.
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
"""Differences are used up to this share of the multiply-adds of whole maps; beyond, they are slower."""
BATCH = 64
"""Occluded images that are computed together on a CPU."""


@dataclass(frozen=True)
class Occluders:
    """Rectangles of one size by their upper left corners, in pixels. Parts beyond the image's border are cut off."""

    tops: Int64[Tensor, "position"]
    lefts: Int64[Tensor, "position"]
    height: int
    width: int

    def split(self, batch: int) -> Iterator["Occluders"]:
        """Return the rectangles in their order, in groups of `batch`."""
        for tops, lefts in zip(self.tops.split(batch), self.lefts.split(batch), strict=True):
            yield Occluders(tops, lefts, self.height, self.width)

    def repeated(self, images: int) -> "Occluders":
        """Return all positions for the first image, then for the second, ..."""
        return Occluders(self.tops.repeat(images), self.lefts.repeat(images), self.height, self.width)

    def cover(self, ys: "Windows", xs: "Windows") -> Bool[Tensor, "position y x"]:
        """Return which pixels of these windows are occluded."""
        y, x = ys.places() - self.tops[:, None], xs.places() - self.lefts[:, None]
        return ((y >= 0) & (y < self.height))[:, :, None] & ((x >= 0) & (x < self.width))[:, None, :]


class Plan:
    """What occluders change in every layer of a network, split into parts of some positions."""

    def __init__(self, network: ConvNet | Foreign, occluders: Occluders, batch: int = BATCH):
        self.network, self.occluders, self.batch = network, occluders, batch
        self.made: dict[int, list[Part]] = {}

    def parts(self, images: int = 1) -> list["Part"]:
        """Return the parts, cached by `images`, in the order of positions. A part has at most `batch` images."""
        assert isinstance(self.network, ConvNet), "others plan by themselves"
        if images not in self.made:
            split = self.occluders.split(max(1, self.batch // images))
            self.made[images] = [Part.of(self.network, one, images) for one in split]
        return self.made[images]


@dataclass(frozen=True)
class Rows:
    """Row numbers in the tables of a layer's sums and outputs, for the windows of some positions.

    `sums`: rows to which the convolved difference is added. `pooling`: rows that pools need. `pasted`: places of new
    sums in `pooling`. `output`: rows to compare with the new output. `inside`: False beyond the border.
    """

    sums: Int64[Tensor, "position filtered_y filtered_x"]
    pooling: Int64[Tensor, "position pooling_y pooling_x"]
    pasted: Int64[Tensor, "place"]
    output: Int64[Tensor, "position y x"]
    inside: Bool[Tensor, "position 1 y x"]

    @classmethod
    def of(cls, conv: Conv, ys: "Step", xs: "Step", image: Int64[Tensor, "position"], device: torch.device) -> "Rows":
        """Return the rows for windows along both axes; `image` is the image of each window."""

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
    """Some positions in each of some images; all positions of the first image come first.

    `image`: image of each row. `unseen`: rows in which nothing changes. `pixels`: rows of the table of pixels, the last
    row if not occluded. If whole images are faster, `layers` is empty and `cover` is True at occluded pixels.
    """

    images: int
    image: Int64[Tensor, "position"]
    unseen: Int64[Tensor, "unseen"]
    pixels: Int64[Tensor, "position y x"] | None
    layers: list[Rows]
    cover: Bool[Tensor, "position 1 crop crop"] | None

    @classmethod
    def of(cls, network: ConvNet, occluders: Occluders, images: int) -> "Part":
        """Plan these positions in each image, by differences or by whole images, whichever is faster."""
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
    """Places that each occluder changes along one axis: from `first` up to, but not including, `last`."""

    first: Int64[Tensor, "position"]
    last: Int64[Tensor, "position"]

    def above(self, size: int, stride: int, padding: int, whole: int) -> "Span":
        """Return the places that change in the output, of length `whole`, of a convolution or pool."""
        first = (-((size - 1 - padding - self.first) // stride)).clamp(min=0)
        last = ((self.last - 1 + padding) // stride + 1).clamp(max=whole)
        return Span(first, last.where(self.last > self.first, first))


@dataclass(frozen=True)
class Windows:
    """Windows of one size along one axis, one for each position. They may extend beyond the border."""

    start: Int64[Tensor, "position"]
    size: int

    def places(self) -> Int64[Tensor, "position size"]:
        """Return the places of all windows."""
        return self.start[:, None] + torch.arange(self.size)

    def on(self, xs: "Windows", height: int, width: int) -> Int64[Tensor, "position y x"]:
        """Return the table's rows for windows with `xs` along the other axis: the last row beyond the border."""
        y, x = self.places()[:, :, None], xs.places()[:, None, :]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return (y * width + x).where(inside, height * width)


@dataclass(frozen=True)
class Step:
    """Windows of one layer along one axis: changed input, sums, values that pools need, and output."""

    changed: Windows
    filtered: Windows
    pooling: Windows
    output: Windows


def spread(architecture: Architecture, start: Int64[Tensor, "position"], length: int) -> list[Span]:
    """Return the changes along one axis in the input of each layer, and last in the output of the last layer."""
    spans = [Span(start.clamp(min=0), (start + length).clamp(max=architecture.crop))]
    for conv in architecture.convs:
        span = spans[-1].above(conv.filter_size, conv.stride, conv.padding, conv.map_size)
        spans.append(span.above(conv.pool.size, conv.pool.stride, 0, conv.size) if conv.pool else span)
    return spans


def steps(architecture: Architecture, spans: list[Span]) -> list[Step]:
    """Return the windows of each layer along one axis. They fit the largest change; the last layer's hold whole maps.

    A window starts at the start of a filter, so that filters are at the same places in all positions.
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
    """Return the place of each sum among the values that pools need, or one beyond the last for sums not needed."""
    y, x = (Windows(step.filtered.start - step.pooling.start, step.filtered.size) for step in (ys, xs))
    area = ys.pooling.size * xs.pooling.size
    places = y.on(x, ys.pooling.size, xs.pooling.size)
    rows = torch.arange(len(places))[:, None, None] * area + places
    return rows.where(places < area, len(places) * area).flatten()


def share(network: ConvNet, plan: list[tuple[Step, Step]]) -> float:
    """Return the multiply-adds of convolutions and normalisations on differences, divided by those on whole maps."""
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
