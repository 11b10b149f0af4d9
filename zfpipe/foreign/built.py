"""Build the network of `model.source` and load the weights of a state dict, even if its keys have other prefixes."""

import importlib
import inspect
import itertools
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from zfpipe.errors import UserError
from zfpipe.foreign.kinds import wrong
from zfpipe.foreign.words import failed, said

WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Names that torch's wrappers insert into keys."""

UNUSED = ("aux", "AuxLogits")
"""Names of layers used only in training, which torchvision's weights lack."""
MUST = "must be module:function, a function of an installed module that builds the network"


def network(source: str, path: Path, state: dict[str, Tensor]) -> tuple[nn.Module, dict[str, int]]:
    """Return the network that the function `source` builds, with the weights of `state`, and the function's arguments.

    If the function takes `num_classes`, the sizes of the fully connected layers in `state` are tried, or else of its
    1x1 convolutions, the last layer first, since safetensors sorts keys by name. Weights may be missing for layers
    whose names start with a name in UNUSED. Raises UserError if the function is missing or fails, or if the weights do
    not fit.
    """
    function = builder(source)
    misfits: list[str] = []
    for asked in arguments(function, state):
        module = made(function, source, asked)
        misfit = put(module, state)
        if not misfit:
            return module, asked
        misfits.append(misfit)
    raise wrong(path, f"does not hold the weights of {source}: {misfits[0]}")


def builder(source: str) -> Callable[..., Any]:
    """Return the function that `source` names. Raises UserError if there is none."""
    place, _, name = source.partition(":")
    try:
        function = getattr(importlib.import_module(place), name)
    except ModuleNotFoundError as error:
        raise UserError(f"model.source = {source}; {said(error)}; {MUST}") from None
    except AttributeError as error:
        raise UserError(f"model.source = {source}; {failed(error)}; {MUST}") from None
    except (Exception, SystemExit) as error:  # the user's module can raise anything
        raise UserError(f"model.source = {source}; {place} can't be imported, {failed(error)}; {MUST}") from None
    if isinstance(function, nn.Module):
        raise UserError(f"model.source = {source}; is a network that is built already, a {kind(function)}; {MUST}")
    if not callable(function):
        raise UserError(f"model.source = {source}; is no function but a {kind(function)}; {MUST}")
    return function


def kind(thing: object) -> str:
    """Return the name of a thing's class."""
    return type(thing).__name__


def arguments(function: Callable[..., Any], state: dict[str, Tensor]) -> list[dict[str, int]]:
    """Return the arguments to try with the function, in order."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions written in C have no signature
        return [{}]
    kinds = {one.kind for one in parameters.values()}
    if "num_classes" not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
        return [{}]
    last = [tensor for tensor in reversed(state.values()) if tensor.dim() == 2]
    last = last or [tensor for tensor in reversed(state.values()) if tensor.shape[2:] == (1, 1)]
    counts = dict.fromkeys(map(len, last))
    return [{"num_classes": count} for count in counts] or [{}]


def made(function: Callable[..., Any], source: str, asked: dict[str, int]) -> nn.Module:
    """Return the network that the function builds. Raises UserError if the function fails."""
    try:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about future versions of the builder
                module = function(**asked)
        except TypeError:
            if not asked or "num_classes" in inspect.signature(function).parameters:
                raise
            module = function()  # the builder passes num_classes on to a function that does not take it
    except (Exception, SystemExit) as error:  # the user's function can raise anything
        raise UserError(
            f"model.source = {source}; it fails, {failed(error)}; must build the network, without an argument or with "
            "num_classes alone"
        ) from None
    while isinstance(module, nn.Module) and (inner := wrapped(module)) is not None:
        module = inner
    if not isinstance(module, nn.Module):
        raise UserError(f"model.source = {source}; it returned a {kind(module)}; must return an nn.Module")
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError(
            f"model.source = {source}; it returned a TorchScript module, whose forward can't be followed; must return "
            "the nn.Module that it was made of"
        )
    return module.cpu().float().eval()


def wrapped(module: nn.Module) -> nn.Module | None:
    """Return the network inside one of torch's wrappers, or None if the module is no wrapper."""
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module
    return getattr(module, "_orig_mod", None)


def put(module: nn.Module, state: dict[str, Tensor]) -> str:
    """Load weights into a network. Return "", or why the weights do not fit."""
    own: dict[str, Any] = module.state_dict()
    named = renamed(state, own)
    named |= {name: tensor for name, tensor in own.items() if name not in named and name.startswith(UNUSED)}
    for name, tensor in named.items():
        if not tensor.is_floating_point() and name in own and own[name].is_floating_point():
            return f"{said(name)} holds {tensor.dtype} numbers, which stand for others; must be floating point"
    try:
        module.load_state_dict(named)
    except Exception as error:
        return difference(own, named) or said(error)
    return ""


def renamed(state: dict[str, Tensor], own: dict[str, Any]) -> dict[str, Tensor]:
    """Rename the weights: replace the common prefix of the keys by the network's prefix if more keys match then."""
    kept = {name: tensor for name, tensor in state.items() if name in own or name.split(".")[-1] != "n_averaged"}
    bare = {".".join(part for part in name.split(".") if part not in WRAPPERS): one for name, one in kept.items()}
    if len(bare) < len(kept):
        bare = kept
    found = [
        {start + name.removeprefix(front): tensor for name, tensor in bare.items()}
        for front in fronts(bare)
        for start in fronts(own)
    ]
    return max([kept, *found], key=lambda one: len(one.keys() & own.keys()))


def fronts(names: Iterable[str]) -> list[str]:
    """Return the common prefixes of names: nothing, the first word with its dot, the first two words, ..."""
    words = zip(*(name.split(".")[:-1] for name in names), strict=False)
    shared = [one[0] + "." for one in itertools.takewhile(lambda one: len(set(one)) == 1, words)]
    return ["".join(shared[:count]) for count in range(len(shared) + 1)]


def difference(own: dict[str, Any], named: dict[str, Tensor]) -> str:
    """Return the first difference between two sets of names or shapes, or "" if there is none."""
    missing = [name for name in own if name not in named and not name.endswith("num_batches_tracked")]
    extra = [name for name in named if name not in own]
    words: list[str] = []
    if missing:
        words.append(f"{len(missing):,} of the network's {len(own):,} tensors are missing, first {said(missing[0])}")
    if extra:
        words.append(f"{len(extra):,} of the file's {len(named):,} are not the network's, first {said(extra[0])}")
    for name, tensor in named.items():
        if not words and name in own and not is_lazy(own[name]) and own[name].shape != tensor.shape:
            words.append(f"{said(name)} is {sides(tensor)} in the file and {sides(own[name])} in the network")
    return "; ".join(words)


def sides(tensor: Tensor) -> str:
    """Return a shape in words, such as `64x3x11x11`."""
    return "x".join(map(str, tensor.shape)) or "a single number"
