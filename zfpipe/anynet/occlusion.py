"""Occlusion (section 4.2) for any network: the network's answers while an occluder covers each position of an image.

An occluder changes only the values whose receptive fields overlap the occluder. While these values are a small part of
a map, calls run on windows that contain the changes, later on whole maps. In place of a window, the network's own code
gets a tensor of the whole map's shape that uses no memory. Batch normalisation after a convolution is folded into the
filters. The answers equal those of whole forward passes up to rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from zfpipe.anynet.filters import filter_of, filtered, foldable, folded, numbers
from zfpipe.anynet.tape import IMAGE, SMOOTH, Call, Tape
from zfpipe.occlusion.plan import WORTHWHILE, Occluders, Span

POINTWISE = {
    *("relu", "relu6", "hardtanh", "threshold", "clamp", "clamp_min", "dropout", "contiguous", "local_response_norm"),
    *set(SMOOTH) - {"softmax", "log_softmax", "glu"},
}
JOINS = {"add", "sub", "mul", "cat", "maximum"}
BATCH = 16
"""Positions that are computed together."""


@dataclass(frozen=True)
class Patch:
    """Windows of one size in a map, one window for each position."""

    tops: Int64[Tensor, "position"]
    lefts: Int64[Tensor, "position"]
    height: int
    width: int

    @classmethod
    def around(cls, ys: Span, xs: Span, height: int, width: int) -> "Patch":
        """Return windows that contain all changes, moved inside a map of this height and width."""
        tall, wide = (max(1, int((span.last - span.first).max())) for span in (ys, xs))
        return cls(ys.first.clamp(max=height - tall), xs.first.clamp(max=width - wide), tall, wide)

    def part(self, where: slice) -> "Patch":
        """Return the windows of some positions."""
        return Patch(self.tops[where], self.lefts[where], self.height, self.width)

    def below(self, size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> "Patch":
        """Return the input windows of a convolution or pool. They may extend beyond the border of the map."""
        height, width = (
            (length - 1) * step + reach
            for length, step, reach in zip((self.height, self.width), stride, size, strict=True)
        )
        return Patch(self.tops * stride[0] - padding[0], self.lefts * stride[1] - padding[1], height, width)


class Occlusion:
    """Occlusion of one image; `fill` replaces the hidden pixels. Both are in the units of the network's input.

    `maps` are the output of the call `wanted` for the last batch of answers. If `last` is set, the output of the call
    with this index is the answer.
    """

    def __init__(
        self,
        tape: Tape,
        image: Float[Tensor, "colour y x"],
        fill: Float[Tensor, "colour y x"],
        wanted: Call | None = None,
        last: int | None = None,
    ):
        self.tape, self.image, self.fill, self.wanted, self.last = tape, image, fill, wanted, last
        self.maps: Tensor | None = None
        self.filters = {call.index: found for call in tape.calls if (found := filter_of(call))}
        self.folds = {one for one in foldable(tape) if wanted is None or tape.calls[one].inputs[0] != wanted.index}
        self.folded: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.inference_mode()
    def answers(
        self, occluders: Occluders, batch: int = BATCH
    ) -> tuple[Float[Tensor, "1 answer"], Iterator[Float[Tensor, "position answer"]]]:
        """Return the answer to the unoccluded image, and the answers to all positions, in batches in their order."""
        plan = self.plan(occluders)
        unoccluded, whole = self.unoccluded(plan)
        return unoccluded, self.each(occluders, batch, plan, whole)

    def each(
        self, occluders: Occluders, batch: int, plan: dict[int, Patch], whole: dict[int, Tensor]
    ) -> Iterator[Float[Tensor, "position answer"]]:
        """Yield the answers to all positions, in batches."""
        start = 0
        for part in occluders.split(batch):
            where = slice(start, start + len(part.tops))
            start = where.stop
            here = {index: patch.part(where) for index, patch in plan.items()}
            with torch.inference_mode():
                images = self.image.new_empty(()).expand(len(part.tops), *self.image.shape)
                covered = Covered(self, part, here, whole, images)
                found = self.tape.through(images, covered, self.last)
                if self.wanted is not None:
                    self.maps = covered.maps(self.wanted)
            yield found

    def unoccluded(self, plan: dict[int, Patch]) -> tuple[Tensor, dict[int, Tensor]]:
        """Return the answer to the unoccluded image and the maps to cut windows from. Also store the folded filters."""
        needed = set(plan) | {index for one in plan if one != IMAGE for index in self.tape.calls[one].inputs}
        whole, weights = {IMAGE: self.image[None]}, dict[int, tuple[Any, Any]]()

        def compute(call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            found = function(*args, **kwargs)
            if call.index in needed:
                whole[call.index] = found.clone(memory_format=torch.channels_last)
            if call.kind == "conv2d":
                weights[call.index] = (args, kwargs)
            if call.index in self.folds and call.index not in self.folded:
                conv = call.inputs[0]
                self.folded[call.index] = self.folded[conv] = folded(weights[conv], (args, kwargs))
            return found

        return self.tape.through(self.image[None], compute, self.last), whole

    def plan(self, occluders: Occluders) -> dict[int, Patch]:
        """Return the windows of the image and of each call that runs on windows."""
        _, height, width = self.image.shape
        tops, lefts = occluders.tops, occluders.lefts
        ys = Span(tops.clamp(0, height), (tops + occluders.height).clamp(0, height))
        xs = Span(lefts.clamp(0, width), (lefts + occluders.width).clamp(0, width))
        spans, sizes = {IMAGE: (ys, xs)}, {IMAGE: (height, width)}
        plan = {IMAGE: Patch.around(ys, xs, height, width)}
        for call in self.tape.calls:
            if not call.is_map or any(index not in plan for index in call.inputs) or not self.local(call, sizes):
                continue
            _, _, height, width = call.shape
            sizes[call.index] = height, width
            ys, xs = (joined([spans[index][axis] for index in call.inputs]) for axis in (0, 1))
            if one := self.filters.get(call.index):
                ys = ys.above(one.size[0], one.stride[0], one.padding[0], height)
                xs = xs.above(one.size[1], one.stride[1], one.padding[1], width)
            spans[call.index] = ys, xs
            patch = Patch.around(ys, xs, height, width)
            if patch.height * patch.width <= WORTHWHILE * height * width:
                plan[call.index] = patch
        return plan

    def local(self, call: Call, sizes: dict[int, tuple[int, int]]) -> bool:
        """Return True if each output value of a call depends only on input values around the same place."""
        if call.index in self.filters or (call.kind == "batch_norm" and not call.given("training", 5, False)):
            return True
        if call.kind not in POINTWISE | JOINS or any(sizes[index] != call.shape[2:] for index in call.inputs):
            return False
        constants = [one for one in (*call.args, *call.kwargs.values()) if isinstance(one, torch.Size)]
        alone = len(constants) > 1 and len(call.inputs) == 1 and any(one[-2:] != (1, 1) for one in constants[1:])
        return not alone and (call.kind != "cat" or call.given("dim", 1, 0) == 1)


@dataclass
class Covered:
    """Run the calls of a tape for one batch of occluded images."""

    occlusion: Occlusion
    occluders: Occluders
    plan: dict[int, Patch]
    whole: dict[int, Tensor]
    images: Tensor

    def __post_init__(self) -> None:
        self.made = {id(self.images): IMAGE}
        self.kept = [self.images]  # alive, since a new tensor could get the id of a deleted one
        self.values = {IMAGE: self.covered()}
        self.pasted: dict[int, Tensor] = {}
        self.kept_whole: list[Tensor] = []

    def maps(self, call: Call) -> Tensor:
        """Return the whole maps of the wanted call."""
        return self.pasted_whole(call.index) if call.index in self.plan else self.kept_whole[0]

    def __call__(self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one call, on windows or on whole maps, and keep the wanted maps."""
        found = self.done(call, function, args, kwargs)
        if call is self.occlusion.wanted and call.index not in self.plan:
            self.kept_whole = [found.clone()]
        return found

    def done(self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one call, on windows or on whole maps."""
        conv = self.occlusion.folded.get(call.index) if call.kind == "conv2d" else None
        if call.index not in self.plan:
            args, kwargs = self.swapped((args, kwargs), self.pasted_whole)
            if conv:
                stride, padding, dilation, groups = numbers(call)
                return functional.conv2d(args[0], conv[0], conv[1], stride, padding, dilation, groups)
            if call.index in self.occlusion.folded:
                return args[0]
            return function(*args, **kwargs)
        patch, same = self.plan[call.index], args[0] if call.inplace else None
        if one := self.occlusion.filters.get(call.index):
            region = self.region(call.inputs[0], patch.below(one.size, one.stride, one.padding), one.beyond)
            self.values[call.index] = filtered(call, function, args, kwargs, conv, region)
        elif call.index in self.occlusion.folded:
            self.values[call.index] = self.values[call.inputs[0]]
        else:
            args, kwargs = self.swapped((args, kwargs), lambda index: self.region(index, patch))
            self.values[call.index] = function(*args, **kwargs)
        return self.standing(call, same)

    def covered(self) -> Tensor:
        """Return the image's windows with the occluder's fill."""
        patch = self.plan[IMAGE]
        found = self.cut(self.whole[IMAGE], patch, 0.0)
        fill = self.cut(self.occlusion.fill[None], patch, 0.0)
        y = patch.tops[:, None] + torch.arange(patch.height) - self.occluders.tops[:, None]
        x = patch.lefts[:, None] + torch.arange(patch.width) - self.occluders.lefts[:, None]
        rows, columns = (y >= 0) & (y < self.occluders.height), (x >= 0) & (x < self.occluders.width)
        return fill.where((rows[:, None, :, None] & columns[:, None, None, :]).to(found.device), found)

    def standing(self, call: Call, same: Any) -> Tensor:
        """Return a placeholder for a window: a tensor of the whole map's shape that uses no memory."""
        values = self.values[call.index]
        stand = values.new_empty(()).expand(len(values), *call.shape[1:])
        self.kept.append(stand)
        self.made[id(stand)] = call.index
        if id(same) in self.made:
            self.made[id(same)] = call.index
        return stand

    def swapped(self, value: Any, of: Callable[[int], Tensor]) -> Any:
        """Replace the placeholders in `value` by the tensors that `of` returns for their calls."""
        if isinstance(value, Tensor):
            return of(self.made[id(value)]) if id(value) in self.made else value
        if isinstance(value, tuple | list):
            return type(value)(self.swapped(one, of) for one in value)
        if isinstance(value, dict):
            return {name: self.swapped(one, of) for name, one in value.items()}
        return value

    def pasted_whole(self, index: int) -> Tensor:
        """Return the whole maps of a call that ran on windows."""
        if index not in self.pasted:
            whole = self.whole[index]
            _, _, height, width = whole.shape
            origin = torch.zeros_like(self.plan[index].tops)
            everywhere = Patch(origin, origin, height, width)
            self.pasted[index] = self.region(index, everywhere)
        return self.pasted[index]

    def region(self, index: int, patch: Patch, beyond: float = 0.0) -> Tensor:
        """Return windows of a call's maps: the unoccluded maps with the changed values written over them."""
        own, values = self.plan[index], self.values[index]
        if own is patch or (
            own.height == patch.height
            and own.width == patch.width
            and torch.equal(own.tops, patch.tops)
            and torch.equal(own.lefts, patch.lefts)
        ):
            return values
        found = self.cut(self.whole[index], patch, beyond)
        ys, xs = (own.tops - patch.tops).tolist(), (own.lefts - patch.lefts).tolist()
        for row, (y, x) in enumerate(zip(ys, xs, strict=True)):
            top, left = max(y, 0), max(x, 0)
            bottom, right = min(y + own.height, patch.height), min(x + own.width, patch.width)
            if bottom > top and right > left:
                found[row, :, top:bottom, left:right] = values[row, :, top - y : bottom - y, left - x : right - x]
        return found

    @staticmethod
    def cut(whole: Tensor, patch: Patch, beyond: float) -> Tensor:
        """Cut windows out of one image's maps. Places beyond the border get the value `beyond`."""
        shape = len(patch.tops), whole.shape[1], patch.height, patch.width
        found = torch.empty(shape, dtype=whole.dtype, device=whole.device, memory_format=torch.channels_last)
        _, _, height, width = whole.shape
        for row, (y, x) in enumerate(zip(patch.tops.tolist(), patch.lefts.tolist(), strict=True)):
            top, left = max(y, 0), max(x, 0)
            bottom, right = min(y + patch.height, height), min(x + patch.width, width)
            if (bottom - top, right - left) != (patch.height, patch.width):
                found[row] = beyond
            found[row, :, top - y : bottom - y, left - x : right - x] = whole[0, :, top:bottom, left:right]
        return found


def joined(spans: list[Span]) -> Span:
    """Return the span from the first to the last change of several spans."""
    first, last = spans[0].first, spans[0].last
    for one in spans[1:]:
        some, others = last > first, one.last > one.first
        first = torch.where(some & others, torch.minimum(first, one.first), first.where(some, one.first))
        last = torch.where(some & others, torch.maximum(last, one.last), last.where(some, one.last))
    return Span(first, last)
