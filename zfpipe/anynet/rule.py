"""The deconvnet of section 2.1 for any network: autograd projects single activations to pixels.

The backward pass of a ReLU or ReLU6 returns relu(signal), whatever the forward pass did. Every other call uses its
transpose: max pooling follows its switches and adds up signals with the same switch, batch normalisation applies its
scale, and convolutions, sums, concatenations and average pooling use their gradients. A gate, such as in
squeeze-and-excitation, is held constant. Biases are not used.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zfpipe.anynet.fields import SHAPES, Field, fields
from zfpipe.anynet.filters import affine
from zfpipe.anynet.tape import IMAGE, SMOOTH, Call, Tape
from zfpipe.errors import UserError

GATES = ("sigmoid", "hardsigmoid", "softmax")
PRODUCTS = ("mul", "truediv", "matmul", "bmm", "einsum", "scaled_dot_product_attention", "multi_head_attention_forward")
"""Functions that may multiply two values that both depend on the image."""
NORMS = ("instance_norm", "group_norm", "layer_norm", "rms_norm", "normalize")
"""Normalisations that use statistics of the image itself."""
AT_ONCE = 16
"""Images, or signals of one image, that are projected together; limits the memory."""
Norm = Literal["skip", "gradient"]


@dataclass(frozen=True)
class Units:
    """Single activations of one layer: the row of the image, the map, and the place in the map."""

    rows: Int64[Tensor, "unit"]
    maps: Int64[Tensor, "unit"]
    ys: Int64[Tensor, "unit"]
    xs: Int64[Tensor, "unit"]


class Rectified(torch.autograd.Function):
    """A ReLU, perhaps with an upper limit, whose backward pass returns relu(signal)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, ceiling: float, inplace: bool) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Rectify the maps. `inplace` overwrites them."""
        if not inplace:
            return maps.clamp(0, ceiling) if ceiling < float("inf") else maps.relu()
        ctx.mark_dirty(maps)
        return maps.clamp_(0, ceiling) if ceiling < float("inf") else maps.relu_()

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return relu(signal), the paper's rule."""
        return signal.relu(), None, None


def project(
    tape: Tape, images: Float[Tensor, "batch colour y x"], layer: Call, units: Units, norm: Norm = "skip"
) -> tuple[Float[Tensor, "unit colour y x"], Float[Tensor, "unit"]]:
    """Project single activations of a layer's maps to pixels; also return the activations.

    Windows around the receptive fields go through the network, or whole images if these take less work: units of the
    same image share one forward pass. Raises UserError for a layer that can't be projected; see `refusal`.
    """
    if reason := refusal(tape, layer, norm):
        raise UserError(reason)
    projections, activations = images.new_zeros(len(units.rows), *images.shape[1:]), images.new_zeros(len(units.rows))
    if not len(units.rows):
        return projections, activations
    windows = Windows.of(tape, layer)
    if windows is not None and windows.worthwhile(len(units.rows), len(images)):
        return in_windows(tape, images, layer, units, norm, windows)
    for rows in torch.arange(len(images), device=images.device).split(AT_ONCE):
        part = torch.nonzero((units.rows >= rows[0]) & (units.rows <= rows[-1]))[:, 0]
        some = Units(units.rows[part] - rows[0], units.maps[part], units.ys[part], units.xs[part])
        projections[part], activations[part] = on_whole(tape, images[rows], layer, some, norm)
    return projections, activations


def on_whole(
    tape: Tape, images: Float[Tensor, "batch colour y x"], layer: Call, units: Units, norm: Norm
) -> tuple[Float[Tensor, "unit colour y x"], Float[Tensor, "unit"]]:
    """Run `project` with one forward pass of the whole images."""
    with torch.enable_grad():
        pixels = images.detach().clone().requires_grad_()
        top = tape.through(pixels.clone(), Down(tape, layer, norm), layer.index)
    activations = top.detach()[units.rows, units.maps, units.ys, units.xs]
    projections = images.new_zeros(len(units.rows), *images.shape[1:])
    rounds = list(in_rounds(units.rows))
    at_once = max(1, AT_ONCE // len(images))
    for first in range(0, len(rounds), at_once):
        part = rounds[first : first + at_once]
        signal = top.new_zeros(len(part), *top.shape, requires_grad=False)
        for number, chosen in enumerate(part):
            here = units.rows[chosen], units.maps[chosen], units.ys[chosen], units.xs[chosen]
            signal[(number, *here)] = activations[chosen]
        several, more = len(part) > 1, first + at_once < len(rounds)
        signal = signal if several else signal[0]  # a pass for one signal is faster than a batch of one
        (found,) = torch.autograd.grad(top, pixels, signal, retain_graph=more, is_grads_batched=several)
        found = found if several else found[None]
        for number, chosen in enumerate(part):
            projections[chosen] = found[number, units.rows[chosen]]
    return projections, activations


@dataclass(frozen=True)
class Windows:
    """Windows of one size, which contain the part of the image that a unit sees. Lengths are in pixels.

    The network takes a window as a smaller image. A layer's places in the window must be its places in the image. So
    the window's first pixel, and the difference of the image's and the window's sides, are multiples of the distance
    between neighbouring units. Values near the window's edge are wrong, because padding stands for the rest of the
    image. The unit does not see these values.
    """

    field: Field
    sides: tuple[int, int]
    image: tuple[int, int]

    @classmethod
    def of(cls, tape: Tape, layer: Call) -> "Windows | None":
        """Return the windows of a layer's units, or None if whole images are necessary.

        Whole images are necessary if a unit sees all of an image, or if a call may use its place in the image or
        statistics of the image.
        """
        known = fields(tape)
        local = all(call.kind not in SHAPES and not obstacle(call, held, "skip") for call, held in walk(tape, layer))
        run = [known.get(index) for index in range(layer.index + 1)]
        field, image = known.get(layer.index), (tape.shape[1], tape.shape[2])
        if field is None or not local or not all(one and one.y.jump and one.x.jump for one in run):
            return None
        axes = zip(image, (field.y, field.x), strict=True)
        sides = [(one.size + one.jump - 1) + (whole - one.size + 1) % one.jump for whole, one in axes]
        wide = any(one.y.size > sides[0] or one.x.size > sides[1] for one in run if one)  # of calls beside the layer
        large = sides[0] > image[0] or sides[1] > image[1]
        return None if wide or large else cls(field, (sides[0], sides[1]), image)

    @property
    def share(self) -> float:
        """The part of an image that a window takes."""
        return self.sides[0] * self.sides[1] / (self.image[0] * self.image[1])

    def worthwhile(self, units: int, images: int) -> bool:
        """Return True if windows take less work than whole images, where units share a forward pass.

        A backward pass takes twice the work of a forward pass.
        """
        return 3 * units * self.share < images + 2 * units

    @property
    def at_once(self) -> int:
        """The number of windows with as many pixels as AT_ONCE images."""
        return int(AT_ONCE / self.share)

    def first(self, axis: int, units: Int64[Tensor, "unit"]) -> Int64[Tensor, "unit"]:
        """Return the first row (axis 0) or column (axis 1) of the windows of units in these places of the map."""
        along = (self.field.y, self.field.x)[axis]
        start = (along.start + units * along.jump).clamp(min=0)
        return (start // along.jump * along.jump).clamp(max=self.image[axis] - self.sides[axis])


def in_windows(
    tape: Tape, images: Float[Tensor, "batch colour y x"], layer: Call, units: Units, norm: Norm, windows: Windows
) -> tuple[Float[Tensor, "unit colour y x"], Float[Tensor, "unit"]]:
    """Run `project` with a window of the image for each unit."""
    projections, activations = images.new_zeros(len(units.rows), *images.shape[1:]), images.new_zeros(len(units.rows))
    tops, lefts = windows.first(0, units.ys), windows.first(1, units.xs)
    places = units.maps, units.ys - tops // windows.field.y.jump, units.xs - lefts // windows.field.x.jump
    steps = [torch.arange(side, device=images.device) for side in windows.sides]
    for part in torch.arange(len(units.rows), device=images.device).split(windows.at_once):
        ys, xs = (tops[part, None] + steps[0])[:, :, None], (lefts[part, None] + steps[1])[:, None, :]
        with torch.enable_grad():
            pixels = images.detach()[units.rows[part][:, None, None], :, ys, xs].permute(0, 3, 1, 2).requires_grad_()
            top = tape.through(pixels.clone(), Down(tape, layer, norm), layer.index)
        chosen = torch.arange(len(part), device=images.device), *(one[part] for one in places)
        activations[part] = top.detach()[chosen]
        signal = torch.zeros_like(top)
        signal[chosen] = activations[part]
        (found,) = torch.autograd.grad(top, pixels, signal)
        projections[part[:, None, None], :, ys, xs] = found.permute(0, 2, 3, 1)
    return projections, activations


def in_rounds(rows: Int64[Tensor, "unit"]) -> Iterator[Int64[Tensor, "chosen"]]:
    """Yield groups of units such that no group has two units of the same image."""
    seen: Counter[int] = Counter()
    rounds: list[list[int]] = []
    for unit, row in enumerate(rows.tolist()):
        if seen[row] == len(rounds):
            rounds.append([])
        rounds[seen[row]].append(unit)
        seen[row] += 1
    yield from (torch.tensor(one, device=rows.device) for one in rounds)


class Down:
    """Run the calls of a tape so that autograd's backward pass from a layer is the deconvnet's projection."""

    def __init__(self, tape: Tape, layer: Call, norm: Norm):
        self.norm = norm
        held = {call.index: factor for call, factor in walk(tape, layer) if factor is not None}
        self.held: Mapping[int, int] = held

    def __call__(self, call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one call with the deconvnet's backward pass."""
        if call.ceiling is not None:
            maps = args[0] if args else kwargs["input"]
            return Rectified.apply(maps, call.ceiling, call.inplace and not maps._is_view())
        if call.kind == "local_response_norm" and self.norm == "skip":
            maps = args[0] if args else kwargs["input"]
            with torch.no_grad():
                change = function(*args, **kwargs) - maps
            return maps + change
        if call.kind == "batch_norm" and not call.given("training", 5, False) and len(call.shape) == 4:
            factor, shift = (one.detach()[:, None, None] for one in affine(args, kwargs))
            return torch.addcmul(shift, args[0], factor)  # several times faster than batch_norm's own backward
        if call.index in self.held:
            args = tuple(one.detach() if place == self.held[call.index] else one for place, one in enumerate(args))
        return function(*args, **kwargs)


def walk(tape: Tape, layer: Call) -> Iterator[tuple[Call, int | None]]:
    """Yield every call between a layer and the image, with the input of a product that is held constant, or None.

    The walk does not continue through an input that is held constant.
    """
    waiting, seen = deque([layer.index]), {IMAGE}
    while waiting:
        index = waiting.popleft()
        if index in seen:
            continue
        seen.add(index)
        call = tape.calls[index]
        held = held_factor(tape, call)
        yield call, held
        if held is None:
            waiting.extend(call.inputs)
        else:
            waiting.append(call.inputs[1 - held])


def held_factor(tape: Tape, call: Call) -> int | None:
    """Return which of the two inputs of a product is a gate, or None if neither is.

    A gate is the output of a sigmoid or softmax, or has one value for each map.
    """
    if call.kind != "mul" or len(call.inputs) != 2 or len(call.args) < 2:
        return None
    gates = [is_gate(tape, index, other) for index, other in zip(call.inputs, call.inputs[::-1], strict=True)]
    return gates.index(True) if sum(gates) == 1 else None


def is_gate(tape: Tape, index: int, other: int) -> bool:
    """Return True if input `index` of a product is a gate for input `other`, not an activation of the same maps."""
    if IMAGE in (index, other):
        return False
    call, gated = tape.calls[index], tape.calls[other]
    single = len(call.shape) == 4 and call.shape[2:] == (1, 1) and gated.shape[2:] != (1, 1)
    return single or (call.kind in GATES and other not in call.inputs)


def refusal(tape: Tape, layer: Call, norm: Norm = "skip") -> str | None:
    """Return the reason why a layer can't be projected, in one line for the user, or None if it can."""
    found = [
        (call.kind not in SMOOTH, call.index, reason)
        for call, held in walk(tape, layer)
        if (reason := obstacle(call, held, norm))
    ]
    if not found:
        return None
    _, _, reason = min(found)  # activations first, then the call nearest to the image
    return f"layer {layer.name!r} can't be projected: {reason}; strongest, occlude and invariance still work"


def obstacle(call: Call, held: int | None, norm: Norm) -> str | None:
    """Return the reason why a call can't be projected, or None if it can."""
    if call.kind in SMOOTH or (call.kind in ("hardtanh", "threshold") and call.ceiling is None):
        return f"{call.what} is no ReLU, and the deconvnet has a rule for ReLUs alone"
    if call.kind in PRODUCTS and len(call.inputs) > 1 and held is None:
        return f"{call.what} multiplies two maps, which has no transpose"
    by_image = call.kind in NORMS or (call.kind == "batch_norm" and call.given("training", 5, False))
    if by_image and norm == "skip":
        return f'{call.what} uses statistics of the image; use norm="gradient"'
    return None
