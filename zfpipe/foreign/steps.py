"""The steps of a followed forward as layers: a function is read as the layer that does the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from zfpipe.foreign.followed import Followed, Follower, function_of, place_of

Read = nn.Module | str
"""A layer; or, in words, why a step is not read as one."""

KEEPS = {"contiguous", "clone", "detach", "float", "to"}
RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten"}
"""What keeps the values and their order."""

DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
UNREAD = "is no layer that it knows a way down through"

NONLINEARITIES = {
    "leakyrelu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "relu6", "hardtanh", "hardswish",
    "hardsigmoid", "sigmoid", "tanh", "softplus", "clamp", "clampmin",
}  # fmt: skip
OWN_STATISTICS = {"groupnorm", "layernorm", "instancenorm", "instancenorm2d", "rmsnorm"}
REASONS = {
    "localresponsenorm": "local response normalisation, of other libraries, is not read yet",
    "avgpool2d": "it averages otherwise than in equal parts, which is not read yet",
    "adaptivemaxpool2d": "must be MaxPool2d",
    "zeropad2d": "must be the convolution's own padding",
    "pad": "must be the convolution's own padding",
    **dict.fromkeys(NONLINEARITIES, "another nonlinearity than ReLU"),
    **dict.fromkeys(OWN_STATISTICS, "it normalises each image by its own mean and variance"),
}


class OneSide(nn.Module):
    """A mean over one side of maps, which another has to complete."""


@dataclass(frozen=True)
class Step:
    """A step: what an error calls it, the layer that does the same or why there is none, the value that it is given."""

    name: str
    called: str
    layer: Read
    given: Any


def steps_of(followed: Followed) -> list[Step]:
    """Return the steps of a forward as layers, in order."""
    return [
        Step(name, called, layer, given)
        for node, given in followed.nodes
        for name, called in [names(followed.follower, node)]
        for layer in layers(followed.follower, node, given)
    ]


def names(follower: Follower, node: fx.Node) -> tuple[str, str]:
    """Return the name of a step, and how an error calls the step."""
    if node.op == "call_module":
        name = str(node.target).removeprefix("inner").removeprefix(".") or "the network"
        return name, f"{name}, a {type(follower.part(str(node.target))).__name__},"
    name = f"{function_of(node)} in {place_of(node)}"
    return name, name


def why(kind: str) -> str:
    """Return why a layer or function of this name is not read."""
    reason = REASONS.get(kind.lower().replace("_", ""), "")
    return f"{UNREAD} ({reason})" if reason else f"{UNREAD}, or not in this place"


def layers(follower: Follower, node: fx.Node, given: Any) -> list[Read]:
    """Return the layers that do together what a step does."""
    result = node.meta.get("value")
    if node.op != "call_module":
        return by_function(follower, node, given, result)
    layer = follower.part(str(node.target))
    if isinstance(layer, nn.Flatten | nn.Unflatten):
        return [reshaped(given, result)]
    return [averaged(layer, given, result) if isinstance(layer, nn.AvgPool2d) else layer]


def by_function(follower: Follower, node: fx.Node, given: Any, result: Any) -> list[Read]:
    """Return the layers that do together what a function or a method does."""
    args, kwargs = follower.arguments(node)
    name = function_of(node).rstrip("_")
    if isinstance(given, tuple):  # of maps and their switches
        return [nn.Identity() if name == "getitem" and args[1] == 0 else why(name)]
    if name in KEEPS:
        return [nn.Identity()]
    if name in RESHAPES:
        return [reshaped(given, result)]
    args = args if "input" in kwargs else args[1:]
    kwargs = {key: value for key, value in kwargs.items() if key != "input"}
    try:
        if name == "mean":
            return mean(given, result, *args, **kwargs)
        if name == "avg_pool2d":
            return [averaged(average_pool(*args, **kwargs), given, result)]
        return [FUNCTIONS[name](*args, **kwargs) if name in FUNCTIONS else why(name)]
    except (TypeError, ValueError):  # called in a way that is not foreseen here
        return [why(name)]


def reshaped(given: Tensor, result: Tensor | None) -> Read:
    """Return what a change of shape does: flatten the maps of each image, or nothing yet."""
    if result is None or result.shape == given.shape:
        return nn.Identity()
    if not result.dim() or len(result) != len(given):
        return (
            f"makes {len(result)} rows of {len(given)} images of this size; set crops.size to what it was trained with"
        )
    if result.dim() == 2:
        return nn.Flatten()
    if result.dim() == 3 and result.shape[:2] == given.shape[:2]:
        return nn.Identity()  # on the way: `unflat` sees to what follows
    return f"{UNREAD} (it changes the shape of maps)"


def mean(given: Tensor, result: Tensor | None, dim: Any = None, keepdim: bool = False) -> list[Read]:
    """Return what a mean over the sides of maps does: average them, once no side is left."""
    sides = {one % given.dim() for one in ([dim] if isinstance(dim, int) else dim or [])}
    if not sides or min(sides) < 2:
        return [f"{UNREAD} (a mean over more than the sides of maps)"]
    if result is None:
        return []
    if result[0, 0].numel() > 1:
        return [OneSide()]
    return [nn.AdaptiveAvgPool2d(1), *([nn.Flatten()] if result.dim() == 2 else [])]


def averaged(layer: nn.AvgPool2d, given: Tensor, result: Tensor | None) -> Read:
    """Return average pooling in equal parts as what it is, an average down to their number."""
    if result is None:
        return nn.Identity()
    kernel, stride, padding = (
        (value, value) if isinstance(value, int) else tuple(value)
        for value in (layer.kernel_size, layer.stride, layer.padding)
    )
    parts = tuple(result.shape[2:])
    whole = all(
        side == size * count and (count == 1 or step == size)
        for side, size, count, step in zip(given.shape[2:], kernel, parts, stride, strict=True)
    )
    return (
        nn.AdaptiveAvgPool2d(parts) if whole and not any(padding) and not layer.divisor_override else why("avgpool2d")
    )


def max_pool(
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *_: Any,
    **__: Any,
) -> nn.MaxPool2d:
    """Return the layer of `functional.max_pool2d`, whose arguments come in another order."""
    return nn.MaxPool2d(kernel_size, stride or None, padding, dilation, ceil_mode=ceil_mode)


def average_pool(
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> nn.AvgPool2d:
    """Return the layer of `functional.avg_pool2d`."""
    return nn.AvgPool2d(kernel_size, stride or None, padding, ceil_mode, count_include_pad, divisor_override)


def dropout(p: float = 0.5, training: bool = True, inplace: bool = False) -> Read:
    """Return the layer of `functional.dropout`, which drops unless the call says that nobody trains."""
    drops = training and p > 0
    return (
        "drops values when the network is evaluated, too, as training=self.training is missing"
        if drops
        else nn.Dropout(p)
    )


def clamp(min: Any = None, max: Any = None) -> Read:
    """Return the layer of `torch.clamp`: from 0 on it is a ReLU."""
    return nn.ReLU() if min == 0 and max is None else why("clamp")


def softmax(dim: int | None = None, *_: Any, **__: Any) -> nn.Softmax:
    """Return the layer of `functional.softmax`."""
    return nn.Softmax(dim)


def log_softmax(dim: int | None = None, *_: Any, **__: Any) -> nn.LogSoftmax:
    """Return the layer of `functional.log_softmax`."""
    return nn.LogSoftmax(dim)


def convolution(
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Return the layer of `functional.conv2d`."""
    maps, maps_in, rows, columns = weight.shape
    layer = nn.Conv2d(maps_in * groups, maps, (rows, columns), stride, padding, dilation, groups, bias=bias is not None)
    return filled(layer, weight=weight, bias=bias)


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """Return the layer of `functional.linear`."""
    return filled(nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None), weight=weight, bias=bias)


def batch_norm(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> nn.BatchNorm2d:
    """Return the layer of `functional.batch_norm`."""
    if training or running_mean is None or running_var is None:
        return nn.BatchNorm2d(1, track_running_stats=False)
    layer = nn.BatchNorm2d(len(running_mean), eps)
    weight = torch.ones_like(running_mean) if weight is None else weight
    bias = torch.zeros_like(running_mean) if bias is None else bias
    return filled(layer, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)


def filled(layer: Any, **tensors: Tensor | None) -> Any:
    """Return a layer with these numbers."""
    for name, tensor in tensors.items():
        if tensor is not None:
            getattr(layer, name).data = tensor.detach()
    return layer


FUNCTIONS: dict[str, Callable[..., Read]] = {
    "relu": lambda inplace=False: nn.ReLU(),
    "clamp": clamp,
    "clamp_min": clamp,
    "max_pool2d": max_pool,
    "max_pool2d_with_indices": max_pool,
    "adaptive_avg_pool2d": lambda output_size: nn.AdaptiveAvgPool2d(output_size),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "conv2d": convolution,
    "linear": linear,
    "batch_norm": batch_norm,
    **dict.fromkeys(DROPOUTS, dropout),
}
