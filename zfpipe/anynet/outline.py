"""Find the parts of any network: the layers to look at, the units above them, the last layer with weights."""

import copy
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from zfpipe.anynet.fields import Field, union
from zfpipe.anynet.tape import SMOOTH, Call, Tape, spread
from zfpipe.errors import UserError
from zfpipe.network.architecture import Dense
from zfpipe.network.receptive_field import ReceptiveField

SOFTMAX = ("softmax", "log_softmax")
HANDED_ON = ("max_pool2d", "avg_pool2d", "local_response_norm", "dropout", "dropout2d", "feature_dropout")
"""Functions that may stand between a layer's rectified maps and the input of the layer above."""


@dataclass(frozen=True)
class Top:
    """The calls above the maps: hidden units, classifier, logits and softmax.

    `classifier` is the last layer with weights. Without hidden units, `hidden` is the input of the classifier.
    """

    hidden: list[Call]
    classifier: Call
    logits: Call
    softmax: Call | None

    @property
    def calls(self) -> list[Call]:
        """The calls whose outputs are units, in the order of the network."""
        return [*self.hidden, self.logits]


def top(tape: Tape) -> Top:
    """Find the units above the maps. Raises UserError if the network does not end in class scores."""
    taken = {index for call in tape.calls for index in call.inputs}
    last = [call for call in tape.calls if call.inputs and call.index not in taken][-1]
    softmax = next((call for call in down(tape, last) if call.kind in SOFTMAX), None)
    logits = last if softmax is None else tape.calls[softmax.inputs[0]]
    classifier = next((call for call in down(tape, logits) if call.kind in ("linear", "conv2d")), None)
    kind = type(tape.network).__name__
    if logits.shape[0] != 1:
        raise UserError(f"{kind} gives {logits.shape[0]} rows for one image; must be the size it was trained with")
    if classifier is None or len(logits.shape) < 2 or math.prod(logits.shape[2:]) != 1:
        raise UserError(
            f"{kind} ends in {logits.what} of shape {tuple(logits.shape)}; must end in class scores (batch, class)"
        )
    if len(classifier.shape) == 2 and any(call.ceiling is not None for call in down(tape, logits, classifier)):
        raise UserError(f"{kind} has a ReLU after {classifier.what}; must end in class scores without a ReLU")
    hidden: list[Call] = []
    if classifier.inputs[0] >= 0:
        below = tape.calls[classifier.inputs[0]]
        flat = [call for call in down(tape, below) if len(call.shape) == 2]
        hidden = [call for call in flat if call.ceiling is not None or call.kind in SMOOTH][::-1] or [below]
    return Top(hidden, classifier, logits, softmax)


def down(tape: Tape, call: Call, end: Call | None = None) -> Iterator[Call]:
    """Yield a call and the calls below it, as long as each has exactly one input, and stop before `end`."""
    while call is not end:
        yield call
        if len(call.inputs) != 1 or call.inputs[0] < 0:
            return
        call = tape.calls[call.inputs[0]]


def denses(top: Top, first: int) -> tuple[Dense, ...]:
    """Describe the units above the maps, numbered from `first`."""
    found = [Dense(first + place, 0, call.shape[1], "hidden") for place, call in enumerate(top.hidden)]
    return (*found, Dense(first + len(found), 0, top.logits.shape[1], "softmax"))


def chosen(tape: Tape, names: Sequence[str] | None) -> list[Call]:
    """Return the layers to look at. Raises UserError for an unknown name, or for a layer whose maps are not square."""
    if names is None:
        main = [call for call in tape.main if call.shape[2] == call.shape[3]]
        shown = spread([call.name for call in main], [call.shape[2] for call in main])
        return [call for call in main if call.name in shown]
    calls = [tape.find(name) for name in names]
    for call in calls:
        if call.shape[2] != call.shape[3]:
            raise UserError(f"layer {call.name!r} has maps of {call.shape[2]} x {call.shape[3]}; must be square")
    return sorted({call.index: call for call in calls}.values(), key=lambda call: call.index)


def whole(field: Field | None, crop: int) -> ReceptiveField:
    """Return one field for both axes: their union, or the whole crop if the field is unknown."""
    if field is None or field.y.jump != field.x.jump or field.y.jump == 0:
        return ReceptiveField(0, crop, 0, crop)
    return union([field.y, field.x])


def handed_on(tape: Tape, call: Call) -> Call:
    """Return the input of the layer above: the maps after pooling and normalisation, if nothing else uses the maps."""
    takers = [one for one in tape.calls if call.index in one.inputs]
    while len(takers) == 1 and takers[0].kind in HANDED_ON and len(takers[0].shape) == 4:
        call = takers[0]
        takers = [one for one in tape.calls if call.index in one.inputs]
    return call


def pooled(values: Tensor) -> Float[Tensor, "batch unit"]:
    """Average each unit over its places, if it has places."""
    return values if values.dim() == 2 else values.flatten(2).mean(2)


def layer_of(module: nn.Module, call: Call) -> nn.Module | None:
    """Return the torch.nn layer that makes a call, or None if a function makes the call."""
    held = dict(module.named_modules()) if call.layer else {}
    return held.get(call.name) or held.get(re.sub(r"_\d+$", "", call.name))  # a reused layer is named `NAME_1`


def replaced(module: nn.Module, classifier: Call, classes: int) -> nn.Module:
    """Return a copy with a new last layer. Raises UserError if the last layer is not a torch.nn layer."""
    module = copy.deepcopy(module).cpu()
    parent, _, name = classifier.name.rpartition(".")
    last = layer_of(module, classifier)
    if isinstance(last, nn.Conv2d):
        size = last.kernel_size, last.stride, last.padding
        new: nn.Module = nn.Conv2d(last.in_channels, classes, *size)  # pyright: ignore[reportArgumentType]
    elif isinstance(last, nn.Linear):
        new = nn.Linear(last.in_features, classes)
    else:
        raise UserError(
            f"{classifier.what} can't be replaced; must be an nn.Linear or nn.Conv2d, or set model.softmax: own"
        )
    setattr(module.get_submodule(parent), name, new)
    return module
