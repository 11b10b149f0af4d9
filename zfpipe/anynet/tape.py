"""Record any network, call by call, while it runs once: names and sizes of layers, and the inputs of each call.

The recording hooks into PyTorch's functions, so modules, reused modules, functions, methods and in-place calls are all
treated alike. Names follow `torchvision.models.feature_extraction`. A torch.nn layer has its qualified name. A function
has the name of the module that calls it and its own name. A repeated name gets `_1`, `_2`, ...
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
"""Index that stands for the image among a call's inputs."""
SMOOTH = (
    *("gelu", "silu", "hardswish", "mish", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "softplus"),
    *("tanh", "sigmoid", "hardsigmoid", "logsigmoid", "softsign", "glu", "softmax", "log_softmax", "hardshrink"),
)
"""Activations other than ReLU."""
ENOUGH = 4
"""With fewer ends of blocks than this, all rectified maps are offered."""
LOOKED_AT = 5
"""Number of layers that are shown by default."""
Compute = Callable[["Call", Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""A function that does the work of a call. It gets the call, the call's function and the arguments."""


@dataclass
class Call:
    """One call of a function that returns tensors.

    `inputs` are the indices of the calls whose outputs are the inputs; IMAGE is the image. `inputs` is empty if nothing
    depends on the image. `shape` is the shape of the first output. `layer` is the class of the calling torch.nn layer.
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
    """True if the maps are in the last dimension, `(batch, y, x, map)`."""

    @property
    def is_map(self) -> bool:
        """True if the output is maps `(batch, map, y, x)` that depend on the image."""
        return len(self.shape) == 4 and bool(self.inputs) and not self.last

    @property
    def what(self) -> str:
        """Name and kind of the call, for error messages."""
        return f"{self.name} ({self.layer or self.kind})"

    @property
    def inplace(self) -> bool:
        """True if the call overwrites its input."""
        own = self.function.__name__
        return (
            (own.endswith("_") and not own.endswith("__")) or own.startswith("__i") or self.given("inplace", 99, False)
        )

    def given(self, name: str, place: int, default: Any) -> Any:
        """Return an argument by its name, or else by its position, or else `default`."""
        return self.kwargs.get(name, self.args[place] if len(self.args) > place else default)

    @property
    def ceiling(self) -> float | None:
        """Largest output value if the call is a ReLU, infinity for a plain ReLU; None if the call is no ReLU."""
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

    @property
    def limited(self) -> bool:
        """True if the call is a ReLU with a ceiling, such as ReLU6."""
        return self.ceiling is not None and self.ceiling < float("inf")


@dataclass
class Tape:
    """The calls of a network for one image size, in order."""

    network: nn.Module
    shape: tuple[int, int, int]
    calls: list[Call] = field(default_factory=list)
    by_name: dict[str, Call] = field(default_factory=dict)

    @property
    def maps(self) -> list[Call]:
        """Calls whose outputs are maps, in order."""
        return [call for call in self.calls if call.is_map]

    @property
    def rectified(self) -> list[Call]:
        """The rectified maps: outputs of ReLUs and other activations, or else of sums, or else of convolutions.

        Maps with a single place are left out, such as the gates of squeeze-and-excitation.
        """
        wide = [call for call in self.maps if call.shape[2] * call.shape[3] > 1] or self.maps
        active = [call for call in wide if call.ceiling is not None or call.kind in SMOOTH]
        for kind in ("add", "conv2d"):
            active = active or [call for call in wide if call.kind == kind]
        return active or wide

    @property
    def waists(self) -> list[Call]:
        """Rectified maps, or their concatenations, that no connection bypasses: the ends of blocks and stages."""
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
        """The ends of blocks and stages, or all rectified maps if there are fewer than ENOUGH ends."""
        found = self.waists
        return found if len(found) >= ENOUGH else self.rectified

    def find(self, name: str) -> Call:
        """Return the call of this name. Raises UserError, with the most similar name, if no maps have this name."""
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
        unlimited: Collection[int] = (),
    ) -> Any:
        """Return the network's answer, or the output of the call `last`; pass outputs to the functions in `wanted`.

        A function in `wanted` must not keep the tensor: the network may overwrite the tensor. For a ReLU6 in
        `unlimited`, the function gets the maps of a plain ReLU.
        """

        def compute(call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            plain = None
            if call.index in unlimited and call.limited:
                plain = (args[0] if args else kwargs["input"]).relu()  # the call may overwrite its input
            found = function(*args, **kwargs)
            if call.index in wanted:
                wanted[call.index](found if plain is None else plain)
            return found

        return self.through(images, compute, last)

    def through(self, images: Float[Tensor, "batch colour y x"], compute: Compute, last: int | None = None) -> Any:
        """Return the network's answer, or the output of the call `last`; `compute` runs every call."""
        with evaluated(self.network), Guided(self.calls, compute, last):
            try:
                return self.network(images)
            except Reached as reached:
                return reached.found


class Reached(Exception):
    """Ends the forward pass with the output of the last call that is needed."""

    def __init__(self, found: Any):
        super().__init__()
        self.found = found


class Guided(TorchFunctionMode):
    """Let `compute` run the calls of a tape while this mode is active."""

    def __init__(self, calls: list[Call], compute: Compute, last: int | None):
        super().__init__()
        self.calls, self.compute, self.last, self.count = calls, compute, last, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call. Functions that return no tensors are not on the tape and run as usual."""
        kwargs = kwargs or {}
        call = self.calls[self.count] if self.count < len(self.calls) else None
        if call is None or func != call.function:
            found = func(*args, **kwargs)
            if tensors(found):
                raise UserError("the network makes other calls for another image or batch; must make the same for all")
            return found
        self.count += 1
        found = self.compute(call, func, args, kwargs)
        if call.index == self.last:
            raise Reached(found)
        return found


def tensors(found: Any) -> list[Tensor]:
    """Return all tensors in a value, or in nested lists, tuples and dicts."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, list | tuple):
        return [one for part in found for one in tensors(part)]
    if isinstance(found, dict):
        return [one for part in found.values() for one in tensors(part)]
    return []


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for the time of the block."""
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def spread(names: Sequence[str], heights: Sequence[int]) -> list[str]:
    """Choose about five layers over the depth: first the last layer of each map height, then layers in the gaps."""
    last = len(names) - 1
    chosen = [place for place in range(len(names)) if place == last or heights[place + 1] != heights[place]]
    if len(chosen) > LOOKED_AT:
        chosen = [chosen[round(place)] for place in np.linspace(0, len(chosen) - 1, LOOKED_AT)]
    while len(chosen) < min(LOOKED_AT, len(names)):
        gap, end = max((end - start, end) for start, end in pairwise([-1, *chosen]))
        chosen = sorted([*chosen, end - gap // 2])
    return [names[place] for place in chosen]


def scores(answer: Any) -> Tensor:
    """Return the class scores from a network's answer. Raises UserError if the answer holds no scores."""
    found = tensors(getattr(answer, "logits", answer))
    if not found or found[0].dim() < 2:
        raise UserError(f"the network returns a {type(answer).__name__}; must be class scores (batch, class)")
    return found[0].flatten(1)
