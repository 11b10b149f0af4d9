"""Any network, recorded call by call while it runs once: names of layers, sizes, and what each call takes.

Calls are seen where PyTorch's functions are called, so that modules, reused modules, functions and methods, in place
or not, are all the same. Names are those of `torchvision.models.feature_extraction`: a layer of torch.nn has its
qualified name, a function the name of the module that calls it and its own; what comes again gets `_1`, `_2`, ...
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zfpipe.errors import UserError

IMAGE = -1
"""Where a call's inputs are named: the image itself."""
RELUS = ("relu", "relu6", "hardtanh", "threshold", "clamp", "clamp_min")
"""Functions that can be a ReLU; `is_relu` looks at their bounds."""
SMOOTH = (
    *("gelu", "silu", "hardswish", "mish", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "softplus"),
    *("tanh", "sigmoid", "hardsigmoid", "logsigmoid", "softsign", "glu", "softmax", "log_softmax", "hardshrink"),
)
"""Activations that are no ReLU."""
ENOUGH = 4
"""Layers to choose from when only some are shown."""
LOOKED_AT = 5
"""Layers that are shown unless some are asked for."""
Compute = Callable[["Call", Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""What does a call's work: it gets the call, its function and the arguments."""


@dataclass
class Call:
    """One call of a function that gives tensors.

    `inputs` are the indices of the calls whose tensors it takes, IMAGE for the image, none where nothing comes from it.
    `shape` is that of the first tensor it gives, `layer` the class of the torch.nn layer that calls.
    """

    index: int
    name: str
    kind: str
    function: Callable[..., Any]
    inputs: tuple[int, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]
    layer: str = ""
    last: bool = False
    """Whether the maps stand last, `(batch, y, x, map)`."""

    @property
    def is_map(self) -> bool:
        """Whether it gives maps `(batch, map, y, x)`, computed from the image."""
        return len(self.shape) == 4 and bool(self.inputs) and not self.last

    @property
    def what(self) -> str:
        """The call in words for an error: its name and kind."""
        return f"{self.name} ({self.layer or self.kind})"

    @property
    def inplace(self) -> bool:
        """Whether it overwrites what it takes."""
        own = self.function.__name__
        return (
            (own.endswith("_") and not own.endswith("__")) or own.startswith("__i") or self.given("inplace", 99, False)
        )

    def given(self, name: str, place: int, default: Any) -> Any:
        """An argument by its name or else its place."""
        return self.kwargs.get(name, self.args[place] if len(self.args) > place else default)

    @property
    def ceiling(self) -> float | None:
        """Of a ReLU the largest value it passes on, infinity for a plain one; None: the call is no ReLU."""
        if self.kind == "relu":
            return float("inf")
        if self.kind == "relu6":
            return 6.0
        if self.kind == "threshold":
            both = self.given("threshold", 1, 1), self.given("value", 2, 1)
            return float("inf") if both == (0, 0) else None
        if self.kind in ("clamp", "clamp_min", "hardtanh"):
            low = self.given("min_val" if self.kind == "hardtanh" else "min", 1, -1)
            high = self.given(
                "max_val" if self.kind == "hardtanh" else "max", 2, 1 if self.kind == "hardtanh" else None
            )
            numbers = isinstance(low, int | float) and isinstance(high, int | float | None)
            return (float("inf") if high is None else float(high)) if numbers and low == 0 else None
        return None


@dataclass
class Tape:
    """The calls of a network at one size of images, in their order."""

    network: nn.Module
    shape: tuple[int, int, int]
    calls: list[Call] = field(default_factory=list)
    by_name: dict[str, Call] = field(default_factory=dict)

    @property
    def maps(self) -> list[Call]:
        """Every call that gives maps, in order."""
        return [call for call in self.calls if call.is_map]

    @property
    def rectified(self) -> list[Call]:
        """The rectified maps: what ReLUs and other activations give; without any the sums, or else the convolutions.

        Maps of a single place are left out, such as the gates of squeeze-and-excitation.
        """
        wide = [call for call in self.maps if call.shape[2] * call.shape[3] > 1] or self.maps
        active = [call for call in wide if call.ceiling is not None or call.kind in SMOOTH]
        for kind in ("add", "conv2d"):
            active = active or [call for call in wide if call.kind == kind]
        return active or wide

    @property
    def waists(self) -> list[Call]:
        """The rectified maps, and concatenations of such, that all goes through: ends of blocks and stages."""
        passed = 0
        found, wide = [], {call.index for call in self.rectified}
        reach = {index: call.index for call in self.calls for index in call.inputs}
        for call in self.calls:
            if call.kind == "cat" and all(index in wide for index in call.inputs):
                wide.add(call.index)
            if call.index in wide and passed <= call.index:
                found.append(call)
            if call.inputs:
                passed = max(passed, reach.get(call.index, 0))
        return found

    @property
    def main(self) -> list[Call]:
        """The ends of blocks and stages, or all rectified maps where these are few."""
        found = self.waists
        return found if len(found) >= ENOUGH else self.rectified

    def find(self, name: str) -> Call:
        """The maps of this name. Raises UserError for another, with the nearest name there is."""
        call = self.by_name.get(str(name))
        if call is not None and call.is_map:
            return call
        known = [one.name for one in self.maps]
        near = difflib.get_close_matches(str(name), known, 1, 0)
        wrong = "there is no such layer" if call is None else f"gives {call.shape[1:]}, no maps"
        raise UserError(f"layer {name!r}: {wrong}; must be one of the network's {len(known)}, such as {near[0]!r}")

    @torch.no_grad()
    def run(
        self,
        images: Float[Tensor, "batch colour y x"],
        wanted: Mapping[int, Callable[[Tensor], None]],
        last: int | None = None,
    ) -> Any:
        """The network's answer, or what the call `last` gives; what the wanted calls give goes to the functions.

        Such a function must not keep the tensor, which the network may overwrite.
        """

        def compute(call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            found = function(*args, **kwargs)
            if call.index in wanted:
                wanted[call.index](found)
            return found

        return self.through(images, compute, last)

    def through(self, images: Float[Tensor, "batch colour y x"], compute: Compute, last: int | None = None) -> Any:
        """The network's answer with every call done by `compute`; with `last`, what the call of this index gives."""
        with evaluated(self.network), Guided(self.calls, compute, last):
            try:
                return self.network(images)
            except Reached as reached:
                return reached.found


class Reached(Exception):
    """What the last call that is asked for gives."""

    def __init__(self, found: Any):
        super().__init__()
        self.found = found


class Guided(TorchFunctionMode):
    """While it stands, the calls of a tape are done by `compute`."""

    def __init__(self, calls: list[Call], compute: Compute, last: int | None):
        super().__init__()
        self.calls, self.compute, self.last, self.count = calls, compute, last, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do one call; what gives no tensors is no call of a tape."""
        kwargs = kwargs or {}
        call = self.calls[self.count] if self.count < len(self.calls) else None
        if call is None or func != call.function:
            found = func(*args, **kwargs)
            if tensors(found):
                raise UserError("the network takes another way for other images or batches; must be the same for all")
            return found
        self.count += 1
        found = self.compute(call, func, args, kwargs)
        if call.index == self.last:
            raise Reached(found)
        return found


def tensors(found: Any) -> list[Tensor]:
    """The tensors in a value or in lists, tuples and dicts of such."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, list | tuple):
        return [one for part in found for one in tensors(part)]
    if isinstance(found, dict):
        return [one for part in found.values() for one in tensors(part)]
    return []


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """A network in evaluation mode for the time of the block."""
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def spread(names: Sequence[str], heights: Sequence[int]) -> list[str]:
    """About five layers spread over the depth: the last of each height of maps, then what lies between these."""
    last = len(names) - 1
    chosen = [place for place in range(len(names)) if place == last or heights[place + 1] != heights[place]]
    if len(chosen) > LOOKED_AT:
        chosen = [chosen[round(place)] for place in np.linspace(0, len(chosen) - 1, LOOKED_AT)]
    while len(chosen) < min(LOOKED_AT, len(names)):
        gap, end = max((end - start, end) for start, end in pairwise([-1, *chosen]))
        chosen = sorted([*chosen, end - gap // 2])
    return [names[place] for place in chosen]


def scores(answer: Any) -> Tensor:
    """The scores of the classes in whatever a network answers. Raises UserError where it gives none."""
    found = tensors(getattr(answer, "logits", answer))
    if not found or found[0].dim() < 2:
        raise UserError(f"the network answers a {type(answer).__name__}; must be class scores (batch, class)")
    return found[0].flatten(1)
