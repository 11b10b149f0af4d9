"""Receptive fields of the layers of any network, computed exactly, call by call, along each axis.

The field of a sum or a concatenation covers the fields of all its inputs. A global average sees the whole image.
"""

from dataclasses import dataclass, replace

from zfpipe.anynet.tape import IMAGE, SMOOTH, Call, Tape
from zfpipe.network.receptive_field import ReceptiveField

SAME = (
    *SMOOTH,
    *("relu", "relu6", "hardtanh", "threshold", "clamp", "clamp_min", "batch_norm", "dropout", "local_response_norm"),
    *("dropout2d", "feature_dropout", "alpha_dropout", "contiguous", "to", "float", "clone", "detach", "linear"),
    *("permute", "layer_norm", "type_as", "neg", "sqrt", "pow", "channel_shuffle", "channels_last"),
)
"""Functions that compute each place from the same place alone."""
JOINS = ("add", "sub", "mul", "truediv", "cat", "stack", "maximum", "minimum", "where")
SHAPES = ("view", "reshape", "chunk", "split", "getitem", "transpose", "unsqueeze", "squeeze", "unflatten", "unbind")
"""Functions that rearrange values. A call that keeps height and width also keeps each value in its place."""
Axes = tuple[ReceptiveField, ReceptiveField]


@dataclass(frozen=True)
class Field:
    """Receptive fields of a layer's units along y and x, in pixels. A jump of 0: each unit sees the whole image."""

    y: ReceptiveField
    x: ReceptiveField

    def box(self, y: int, x: int) -> tuple[int, int, int, int]:
        """Return the pixels that a unit sees: left, top, and one beyond right and bottom."""
        (top, bottom), (left, right) = self.y.visible(y), self.x.visible(x)
        return left, top, right, bottom

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, including the part beyond the border of the image."""
        return self.y.size, self.x.size


def fields(tape: Tape) -> dict[int, Field]:
    """Return the field of each call by the call's index. Calls with unknown arithmetic are left out."""
    _, height, width = tape.shape
    known: dict[int, Axes] = {IMAGE: (ReceptiveField(0, 1, 1, height), ReceptiveField(0, 1, 1, width))}
    for call in tape.calls:
        below = [known.get(index) for index in call.inputs]
        if call.inputs and None not in below:
            found = field(tape, call, [one for one in below if one is not None])
            if found is not None:
                known[call.index] = found
    return {index: Field(*axes) for index, axes in known.items() if index != IMAGE}


def field(tape: Tape, call: Call, below: list[Axes]) -> Axes | None:
    """Return the fields of a call's output from the fields of its inputs, or None if the arithmetic is unknown."""
    if call.kind == "conv2d":
        return windows(call, below[0], kernel(call), (call.given("stride", 3, 1), call.given("padding", 4, 0)), 5)
    if call.kind in ("max_pool2d", "avg_pool2d"):
        size = pair(call.given("kernel_size", 1, 1))
        stride = call.given("stride", 2, None)
        dilation = 4 if call.kind == "max_pool2d" else 99
        return windows(call, below[0], size, (stride or size, call.given("padding", 3, 0)), dilation)
    if call.kind == "adaptive_avg_pool2d" or (call.kind in ("mean", "flatten") and not same_size(tape, call)):
        return adaptive(tape, call, below[0])
    if call.kind in JOINS:
        return tuple(union([one[axis] for one in below]) for axis in (0, 1))  # pyright: ignore[reportReturnType]
    if call.kind in SAME or (call.kind in SHAPES and same_size(tape, call)):
        return below[0]
    return padded(call, below[0]) if call.kind == "pad" else None


def kernel(call: Call) -> tuple[int, int]:
    """Return height and width of a convolution's filters."""
    shape = call.given("weight", 1, None)
    return shape[2], shape[3]


def windows(call: Call, below: Axes, size: tuple[int, int], steps: tuple[object, object], dilation: int) -> Axes:
    """Return the fields of a convolution or pool from the fields of its input."""
    apart = pair(call.given("dilation", dilation, 1))
    stride = pair(steps[0])
    found = []
    for axis in (0, 1):
        reach = (size[axis] - 1) * apart[axis]
        margin = {"same": reach // 2, "valid": 0}.get(str(steps[1]))
        padding = pair(steps[1])[axis] if margin is None else margin
        one = below[axis]
        start, length, jump = one.start - padding * one.jump, one.size + reach * one.jump, one.jump * stride[axis]
        seen = min(one.seen, start + (call.shape[2 + axis] - 1) * jump + length)
        found.append(ReceptiveField(start, length, jump, seen))
    return found[0], found[1]


def adaptive(tape: Tape, call: Call, below: Axes) -> Axes:
    """Return the fields of average pooling: windows if all averages have the same size, otherwise the whole image."""
    given = tape.shape if call.inputs[0] == IMAGE else tape.calls[call.inputs[0]].shape
    found = []
    for axis in (0, 1):
        one, before = below[axis], given[-2 + axis]
        after = call.shape[2 + axis] if len(call.shape) == 4 else 1
        if after == 1 or before % after:
            found.append(ReceptiveField(0, tape.shape[1 + axis], 0, one.seen))
        else:
            found.append(
                replace(one, size=one.size + (before // after - 1) * one.jump, jump=one.jump * before // after)
            )
    return found[0], found[1]


def padded(call: Call, below: Axes) -> Axes | None:
    """Return the fields after constant padding, or None if the padding is not constant."""
    margins = call.given("pad", 1, ())
    if call.given("mode", 2, "constant") != "constant" or len(margins) not in (2, 4):
        return None
    before = margins[2] if len(margins) == 4 else 0, margins[0]
    y, x = (replace(one, start=one.start - margin * one.jump) for one, margin in zip(below, before, strict=True))
    return y, x


def union(ways: list[ReceptiveField]) -> ReceptiveField:
    """Return the smallest field that covers several fields. If one of them sees the whole image, return that field."""
    if whole := [one for one in ways if one.jump == 0]:
        return whole[0]
    start = min(one.start for one in ways)
    end = max(one.start + one.size for one in ways)
    return ReceptiveField(start, end - start, ways[0].jump, max(one.seen for one in ways))


def same_size(tape: Tape, call: Call) -> bool:
    """Return True if a call's output has the height and width of its first input."""
    given = tape.shape if call.inputs[0] == IMAGE else tape.calls[call.inputs[0]].shape
    return len(call.shape) >= 3 and call.shape[-2:] == given[-2:]


def pair(value: object) -> tuple[int, int]:
    """Return height and width from one number or two numbers."""
    if isinstance(value, int):
        return value, value
    numbers = list(value)  # pyright: ignore[reportArgumentType]
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
