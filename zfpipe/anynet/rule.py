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

from zfpipe.anynet.filters import affine
from zfpipe.anynet.tape import IMAGE, SMOOTH, Call, Tape
from zfpipe.errors import UserError

GATES = ("sigmoid", "hardsigmoid", "softmax")
PRODUCTS = ("mul", "truediv", "matmul", "bmm", "einsum", "scaled_dot_product_attention", "multi_head_attention_forward")
"""Functions that may multiply two values that both depend on the image."""
NORMS = ("instance_norm", "group_norm", "layer_norm", "rms_norm", "normalize")
"""Normalisations that use statistics of the image itself."""
AT_ONCE = 16
"""Signals that are projected together; limits the memory."""
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

    Units of the same image share one forward pass. Raises UserError for a layer that can't be projected; see `refusal`.
    """
    if reason := refusal(tape, layer, norm):
        raise UserError(reason)
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
        more = first + at_once < len(rounds)
        (found,) = torch.autograd.grad(top, pixels, signal, retain_graph=more, is_grads_batched=True)
        for number, chosen in enumerate(part):
            projections[chosen] = found[number, units.rows[chosen]]
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
