"""Record a tape: run a network once and note every function call that returns tensors."""

import re
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zfpipe.anynet.tape import IMAGE, Call, Tape, evaluated, tensors
from zfpipe.errors import UserError

OPERATORS = {
    **{"__add__": "add", "__radd__": "add", "__iadd__": "add", "add_": "add", "__mul__": "mul", "__rmul__": "mul"},
    **{"__imul__": "mul", "mul_": "mul", "__sub__": "sub", "__rsub__": "sub", "sub_": "sub", "__getitem__": "getitem"},
    **{"__truediv__": "truediv", "div": "truediv", "div_": "truediv", "__rdiv__": "truediv", "__rtruediv__": "truediv"},
    **{"multiply": "mul", "__matmul__": "matmul", "concat": "cat", "concatenate": "cat", "reshape": "reshape"},
}
"""Operators and their in-place forms, with one name for each kind of call."""


class Recorder(TorchFunctionMode):
    """Record calls on a tape while this mode is active."""

    def __init__(self, tape: Tape, image: Tensor):
        super().__init__()
        self.tape = tape
        self.made = {id(image): IMAGE}
        self.kept: list[Any] = [image]  # alive, since a new tensor could get the id of a deleted one
        self.where: list[str] = [""]
        self.names: Counter[str] = Counter()
        self.blocks: dict[str, Call] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call and record it."""
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if given := tensors(found):
            inputs = tuple(dict.fromkeys(self.made[id(one)] for one in tensors((args, kwargs)) if id(one) in self.made))
            own = str(func.__name__)
            kind = OPERATORS.get(own, own.strip("_"))
            own = kind if own in OPERATORS else own
            name = f"{self.where[-1]}.{own}".strip(".")
            index = len(self.tape.calls)
            sizes = tuple(map(summary, args)), {key: summary(value) for key, value in kwargs.items()}
            call = Call(index, name, kind, func, inputs, *sizes, tuple(given[0].shape))
            call.last = self.maps_last(call)
            self.tape.calls.append(call)
            self.made |= {id(one): index for one in given} if inputs else {}
            self.kept.append(found)
            if self.where[-1] not in self.leaves:
                self.tape.calls[index].name = self.unique(name)
        return found

    leaves: frozenset[str] = frozenset()

    def maps_last(self, call: Call) -> bool:
        """Return True if an earlier permute has put a call's maps last, `(batch, y, x, map)`."""
        below = any(self.tape.calls[index].last for index in call.inputs if index != IMAGE)
        if call.kind == "permute":
            dims = call.given("dims", 1, ())
            dims = tuple(dims) if isinstance(dims, list | tuple) else call.args[1:]
            below = {(0, 2, 3, 1): True, (0, 3, 1, 2): False}.get(tuple(dims), below)
        return below and len(call.shape) == 4

    def unique(self, name: str) -> str:
        """Return a name, with `_1`, `_2`, ... if the name has been used before."""
        times = self.names[name]
        self.names[name] += 1
        return f"{name}_{times}" if times else name

    def leave(self, layer: nn.Module, found: Any) -> None:
        """Name the last call of a torch.nn layer after the layer. A block's last call also gets the block's name."""
        name = self.where.pop()
        made = [self.made.get(id(one), IMAGE) for one in tensors(found)]
        if len(made) != 1 or made[0] == IMAGE:
            return
        call = self.tape.calls[made[0]]
        if name in self.leaves and not call.layer:
            call.name, call.layer = self.unique(name), type(layer).__name__
        elif name not in self.leaves:
            self.blocks.setdefault(name, call)


def record(network: nn.Module, shape: tuple[int, int, int]) -> Tape:
    """Record a network's calls for one image `(colours, y, x)`. Raises UserError if the network fails."""
    tape = Tape(network, shape)
    weight = next(network.parameters(), torch.zeros(1))
    image = torch.zeros(1, *shape, device=weight.device, dtype=weight.dtype)
    recorder = Recorder(tape, image)
    names = {id(module): name for name, module in network.named_modules()}
    recorder.leaves = frozenset(names[id(one)] for one in network.modules() if is_layer(one) and one is not network)
    hooks = []
    for module in network.modules():
        hooks.append(module.register_forward_pre_hook(lambda one, _: recorder.where.append(names[id(one)])))
        hooks.append(module.register_forward_hook(lambda one, _, found: recorder.leave(one, found)))
    try:
        with torch.inference_mode(), evaluated(network), recorder:
            network(image)
    except UserError:
        raise
    except Exception as error:  # the network is the user's and can raise any exception
        said = " ".join(str(error).split())[:160]
        size = "x".join(map(str, shape))
        raise UserError(
            f"{type(network).__name__} can't take an image of {size} ({said}); must be the size it was trained with"
        ) from None
    finally:
        for hook in hooks:
            hook.remove()
    tape.by_name = recorder.blocks | {call.name: call for call in tape.calls}
    if not tape.maps:
        raise UserError(f"{type(network).__name__} has no maps to record; must be an nn.Module in Python, not compiled")
    return tape


def is_layer(module: nn.Module) -> bool:
    """Return True if a module belongs to torch.nn itself. The functions inside are not named separately."""
    return re.match(r"torch\.(ao\.)?nn\b", type(module).__module__) is not None and not isinstance(
        module, nn.Sequential | nn.ModuleList | nn.ModuleDict
    )


def summary(value: Any) -> Any:
    """Return an argument as the tape keeps it: the shape of a tensor, any other value as it is."""
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, list | tuple) and any(isinstance(one, Tensor) for one in value):
        return [summary(one) for one in value]
    return value
