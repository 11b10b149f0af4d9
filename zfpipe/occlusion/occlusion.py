"""Occlusion (section 4.2, Fig. 7): the network's answers while an occluder covers each position of an image.

An occluder changes only the values whose receptive fields overlap the occluder. Only these values are computed, layer
by layer; all others are cached from the unoccluded image. The results equal those of a forward pass up to rounding
(Nakandala et al., SIGMOD 2019). A convolution is linear and runs on the difference from the unoccluded image, which is
zero away from the occluder. The convolved difference is added to the old sums. ReLU and pooling run on values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from zfpipe.network.architecture import Conv
from zfpipe.network.convnet import ConvNet
from zfpipe.occlusion.plan import Part, Plan, Rows

CLASSIFIED = 4
"""Parts of a plan that share one pass through the fully connected layers, so that the weights are read once."""


@dataclass(frozen=True)
class Answers:
    """The logits, and the maps of the last convolution layer after the ReLU and before pooling."""

    logits: Float[Tensor, "image *position class"]
    maps: Float[Tensor, "image *position map y x"]


class Occlusion:
    """Occlusion of some images; `fill` replaces the hidden pixels.

    Both are the network's input: RGB minus the mean. For a grey occluder, `fill` is the grey minus the mean.
    """

    @torch.no_grad()
    def __init__(
        self, network: ConvNet, images: Float[Tensor, "image 3 crop crop"], fill: Float[Tensor, "3 crop crop"]
    ):
        self.network, self.images, self.fill = network, images, fill
        self.pixels = table((fill - images) * network.input_scale, beyond=0.0)
        self.layers: list[Cached] = []
        signal = images * network.input_scale
        for conv in network.architecture.convs:
            sums = network.conv(conv.layer)(signal)
            rectified = sums.relu()
            signal = network.finish(conv, rectified)
            self.layers.append(Cached(conv, table(sums, beyond=-torch.inf), table(signal, beyond=0.0)))
        self.unoccluded = Answers(network.classify(signal), rectified)

    def answers(self, plan: Plan) -> Iterator[Answers]:
        """Yield the answers for every image and position, one part of the plan at a time."""
        parts = plan.parts(len(self.images))
        for first in range(0, len(parts), CLASSIFIED):
            yield from self.together(parts[first : first + CLASSIFIED])

    @torch.no_grad()
    def together(self, parts: Sequence[Part]) -> list[Answers]:
        """Return the answers for some parts."""
        found = [(self.through_images if one.pixels is None else self.through_differences)(one) for one in parts]
        logits = self.network.classify(torch.cat([signal for signal, _ in found]))
        answers = []
        for part, some, (_, maps) in zip(parts, logits.split([len(one.image) for one in parts]), found, strict=True):
            if len(part.unseen):
                of, some = part.image[part.unseen], some.clone()
                some[part.unseen], maps[part.unseen] = self.unoccluded.logits[of], self.unoccluded.maps[of]
            answers.append(Answers(*(values.unflatten(0, (part.images, -1)) for values in (some, maps))))
        return answers

    def through_images(self, part: Part) -> tuple[Tensor, Tensor]:
        """Return the last convolution layer's output and maps, by a forward pass of whole images."""
        assert part.cover is not None
        images = self.fill.where(part.cover, self.images[part.image]).contiguous(memory_format=torch.channels_last)
        *_, last = self.network.trace(images, switches=False)
        return last.output, last.rectified

    def through_differences(self, part: Part) -> tuple[Tensor, Tensor]:
        """Return the last convolution layer's output and maps, by differences from the unoccluded images."""
        assert part.pixels is not None
        difference = take(self.pixels, part.pixels)
        *lower, last = zip(self.layers, part.layers, strict=True)
        for layer, rows in lower:
            output = self.network.finish(layer.conv, layer.rectified(self.network, difference, rows))
            difference = layer.difference(output, rows)
        layer, rows = last
        maps = layer.rectified(self.network, difference, rows)
        return self.network.finish(layer.conv, maps), maps


@dataclass(frozen=True)
class Cached:
    """Tables of a layer's sums (before the ReLU) and outputs for the unoccluded images; see `Rows`."""

    conv: Conv
    sums: Float[Tensor, "places map"]
    output: Float[Tensor, "pooled_places map"]

    def rectified(
        self, network: ConvNet, difference: Float[Tensor, "position map_in y x"], rows: Rows
    ) -> Float[Tensor, "position map pooling_y pooling_x"]:
        """Return the occluded images' values after the ReLU, where pools need them, from the input's difference."""
        conv = self.conv
        padding = (conv.filter_size - 1) // conv.stride * conv.stride
        sums = functional.conv2d(difference, network.conv(conv.layer).weight, None, conv.stride, padding)
        sums += take(self.sums, rows.sums)
        places = functional.pad(rows.pooling.flatten(), (0, 1))  # a spare row for the sums that no pool needs
        values = self.sums.index_select(0, places)
        values.index_copy_(0, rows.pasted, sums.permute(0, 2, 3, 1).flatten(0, 2))
        return values[:-1].unflatten(0, rows.pooling.shape).permute(0, 3, 1, 2).relu_()

    def difference(self, output: Float[Tensor, "position map y x"], rows: Rows) -> Float[Tensor, "position map y x"]:
        """Return the difference from the unoccluded images' output, zero beyond the border."""
        return (output - take(self.output, rows.output)) * rows.inside


def table(maps: Float[Tensor, "image map y x"], beyond: float) -> Float[Tensor, "places map"]:
    """Return a table: for each image, a row for each place of its maps, and a last row `beyond` the border."""
    rows = maps.permute(0, 2, 3, 1).flatten(1, 2)
    return functional.pad(rows, (0, 0, 0, 1), value=beyond).flatten(0, 1).contiguous()


def take(rows: Float[Tensor, "places map"], places: Int64[Tensor, "position y x"]) -> Float[Tensor, "position map y x"]:
    """Return windows of maps from a table."""
    return rows.index_select(0, places.flatten()).unflatten(0, places.shape).permute(0, 3, 1, 2)
