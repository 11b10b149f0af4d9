"""Convolutions and pools on regions cut out of maps. Batch normalisation can be folded into its convolution."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zfpipe.anynet.fields import kernel, pair
from zfpipe.anynet.tape import IMAGE, Call, Tape


@dataclass(frozen=True)
class Filter:
    """Size, stride and padding of a convolution or pool, and the value of its padding (`beyond`)."""

    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    beyond: float


def filter_of(call: Call) -> Filter | None:
    """Return the filter of a call, or None if the call is no convolution or pool that can run on cut-out regions."""
    if call.kind == "conv2d":
        stride, padding, dilation, _ = numbers(call)
        if isinstance(padding, str):
            return None
        (height, width), apart = kernel(call), pair(dilation)
        size = (height - 1) * apart[0] + 1, (width - 1) * apart[1] + 1
        return Filter(size, pair(stride), pair(padding), 0.0)
    if call.kind not in ("max_pool2d", "avg_pool2d") or len(call.shape) != 4:
        return None
    size = pair(call.given("kernel_size", 1, 1))
    stride, padding = pair(call.given("stride", 2, None) or size), pair(call.given("padding", 3, 0))
    if call.kind == "max_pool2d":
        apart = pair(call.given("dilation", 4, 1))
        size = (size[0] - 1) * apart[0] + 1, (size[1] - 1) * apart[1] + 1
        return None if call.given("return_indices", 6, False) else Filter(size, stride, padding, -torch.inf)
    exact = not call.given("ceil_mode", 4, False) and call.given("divisor_override", 6, None) is None
    counts = padding == (0, 0) or call.given("count_include_pad", 5, True)
    return Filter(size, stride, padding, 0.0) if exact and counts else None


def numbers(call: Call) -> tuple[Any, Any, Any, Any]:
    """Return stride, padding, dilation and groups of a convolution."""
    return (
        call.given("stride", 3, 1),
        call.given("padding", 4, 0),
        call.given("dilation", 5, 1),
        call.given("groups", 6, 1),
    )


def filtered(
    call: Call, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], conv: Any, region: Tensor
) -> Tensor:
    """Run a convolution or pool without padding, on regions that already contain their padding."""
    if call.kind == "conv2d":
        given = dict(zip(("weight", "bias"), args[1:3], strict=False)) | kwargs
        weight, bias = conv or (given["weight"], given.get("bias"))
        stride, _, dilation, groups = numbers(call)
        return functional.conv2d(region, weight, bias, stride, 0, dilation, groups)
    size, stride = call.given("kernel_size", 1, 1), call.given("stride", 2, None)
    if call.kind == "max_pool2d":
        return functional.max_pool2d(region, size, stride, 0, call.given("dilation", 4, 1))
    return functional.avg_pool2d(region, size, stride)


def foldable(tape: Tape) -> set[int]:
    """Return the batch normalisations whose input is a convolution that no other call uses."""
    takers = Counter(index for call in tape.calls for index in call.inputs)
    return {
        call.index
        for call in tape.calls
        if call.kind == "batch_norm"
        and not call.given("training", 5, False)
        and len(call.inputs) == 1
        and call.inputs[0] != IMAGE
        and tape.calls[call.inputs[0]].kind == "conv2d"
        and takers[call.inputs[0]] == 1
    }


def folded(conv: tuple[Any, Any], norm: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
    """Return the weight and bias of a convolution merged with the batch normalisation after it.

    The batch normalisation uses its running statistics. `conv` and `norm` are the arguments of the two calls.
    """
    given = dict(zip(("weight", "bias"), conv[0][1:3], strict=False)) | conv[1]
    factor, shift = affine(*norm)
    bias = shift if given.get("bias") is None else given["bias"] * factor + shift
    weight = given["weight"] * factor[:, None, None, None]
    return weight.contiguous(memory_format=torch.channels_last), bias


def affine(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return batch normalisation with fixed statistics as a factor and a summand for each map, from its arguments."""
    names = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    fixed = dict(zip(names, args[1:], strict=False)) | kwargs
    factor = (fixed["running_var"] + fixed.get("eps", 1e-5)).rsqrt()
    factor = factor if fixed.get("weight") is None else factor * fixed["weight"]
    shift = -fixed["running_mean"] * factor
    return factor, shift if fixed.get("bias") is None else shift + fixed["bias"]
