"""The steps of a network read as the layers that ours have: filters, ReLU, pooling, fully connected layers."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from zfpipe.errors import UserError
from zfpipe.foreign.steps import OneSide, Step, why
from zfpipe.network.architecture import Filters, Pool

CHAIN = "a chain of convolutions (each with a ReLU, perhaps max pooling) and then fully connected layers"


@dataclass
class Found:
    """A layer with weights, and what follows it in the chain."""

    name: str
    weight: Tensor
    bias: Tensor
    filters: Filters | None = None
    rectified: bool = False


@dataclass
class Chain:
    """The layers with weights in order, as far as the steps were taken.

    `average` is the side that the last maps are averaged to; None: they are not. `dropped` is the softmax, after which
    nothing may come: ours is part of the loss.
    """

    source: str
    found: list[Found] = field(default_factory=list)
    averaged: Step | None = None
    average: int | None = None
    flat: bool = False
    dropped: Step | None = None

    def take(self, step: Step) -> None:
        """Take the next step. Raises UserError, with the reason, where our networks have no such layer there."""
        layer = step.layer
        if isinstance(layer, str):
            before = (
                ""
                if self.found
                else "; before the first convolution only model.input_mean and input_std may change images"
            )
            raise self.refused(step, layer + before)
        if isinstance(layer, _DropoutNd | nn.Identity):
            return
        if self.dropped:
            raise self.refused(self.dropped, "is not the last step: a softmax can only end the network")
        if (
            isinstance(step.given, Tensor)
            and step.given.dim() == 3
            and not isinstance(layer, nn.Flatten | nn.AdaptiveAvgPool2d | OneSide | nn.ReLU)
        ):
            raise self.refused(step, "takes maps in another shape than rows and columns")
        if isinstance(layer, nn.Conv2d | nn.Linear):
            self.weigh(step, layer)
        elif isinstance(layer, _BatchNorm):
            self.normalise(step, layer)
        elif isinstance(layer, nn.ReLU):
            self.rectify(step)
        elif isinstance(layer, nn.MaxPool2d):
            self.pool(step, layer)
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            self.shrink(step, layer)
        elif isinstance(layer, OneSide) and self.found and not self.flat:
            self.averaged = step
        elif isinstance(layer, nn.Flatten):
            self.flat = True
        elif isinstance(layer, nn.Softmax | nn.LogSoftmax) and self.found and self.found[-1].filters is None:
            self.drop(step, layer)
        else:
            raise self.refused(step, why(type(layer).__name__))

    def refused(self, step: Step, reason: str) -> UserError:
        """Return the error for a network that the deconvnet can't go down through."""
        return UserError(f"model.source = {self.source} can't be projected: {step.called} {reason}; must be {CHAIN}")

    def weigh(self, step: Step, layer: nn.Conv2d | nn.Linear) -> None:
        """Take a layer with weights."""
        last = self.found[-1] if self.found else None
        filters = None
        if isinstance(layer, nn.Conv2d):
            if self.flat:
                raise self.refused(step, "comes after the maps were flattened")
            if self.averaged:
                raise self.refused(self.averaged, "averages maps below a convolution, which is not read yet")
            filters = self.filters(step, layer)
        elif last is None:
            raise self.refused(step, "has no convolution below it")
        elif not self.flat:
            raise self.refused(step, "takes maps that were not flattened")
        elif self.averaged and self.average is None:
            raise self.refused(self.averaged, "averages over one side of maps, and nothing over the other")
        if last is not None and not last.rectified:
            raise self.refused(step, f"follows {last.name} without a ReLU between")
        bias = layer.bias if layer.bias is not None else torch.zeros(len(layer.weight))
        self.found.append(Found(step.name, layer.weight, bias, filters))

    def filters(self, step: Step, layer: nn.Conv2d) -> Filters:
        """Return a convolution's numbers."""
        if layer.groups != 1:
            raise self.refused(step, f"has groups ({layer.groups})")
        if set(layer.dilation) != {1}:
            raise self.refused(step, f"has dilation {layer.dilation}")
        if layer.padding_mode != "zeros":
            raise self.refused(step, f"pads with other numbers than zeros ({layer.padding_mode})")
        channels = layer.weight.shape[1]
        if not self.found and channels != 3:
            raise self.refused(step, f"takes images of {channels} channels, and ours have 3 (RGB)")
        size, stride = (self.side(value, step) for value in (layer.kernel_size, layer.stride))
        padding = layer.padding
        if isinstance(padding, str):
            if padding == "same" and size % 2 == 0:
                raise self.refused(step, f'pads more on one side ("same" with a {size}x{size} filter)')
            padding = size // 2 if padding == "same" else 0
        return Filters(len(self.found) + 1, layer.out_channels, size, stride, self.side(padding, step))

    def side(self, value: Any, step: Step) -> int:
        """Return the one number of a square."""
        numbers = set(value) if isinstance(value, tuple | list) else {value}
        if len(numbers) != 1 or not all(isinstance(number, int) for number in numbers):
            raise self.refused(step, f"is not square ({value})")
        return numbers.pop()

    def normalise(self, step: Step, norm: _BatchNorm) -> None:
        """Take batch normalisation into the layer before: with fixed statistics, a factor and a bias for each map."""
        if not self.found:
            raise self.refused(step, "stands before the first convolution, where it is not read yet")
        last = self.found[-1]
        if norm.running_mean is None or norm.running_var is None:
            raise self.refused(
                step, "has no running statistics (track_running_stats), so its factors vary by the batch"
            )
        if last.rectified or (last.filters and (last.filters.pool or self.averaged or self.flat)):
            raise self.refused(step, "does not directly follow a layer with weights, and is read nowhere else yet")
        factor = (norm.running_var + norm.eps).rsqrt() * (norm.weight if norm.affine else 1)
        last.weight = last.weight * factor.view(-1, *[1] * (last.weight.dim() - 1))
        last.bias = (last.bias - norm.running_mean) * factor + (norm.bias if norm.affine else 0)

    def rectify(self, step: Step) -> None:
        """Take a ReLU. It may come after max pooling: the largest value, rectified, is the largest rectified value."""
        if not self.found:
            raise self.refused(step, "stands before the first convolution")
        if self.averaged and self.found[-1].filters and not self.found[-1].rectified:
            raise self.refused(step, f"comes after maps were averaged ({self.averaged.name}), must come before")
        self.found[-1].rectified = True

    def pool(self, step: Step, layer: nn.MaxPool2d) -> None:
        """Take max pooling."""
        last = self.found[-1] if self.found else None
        if last is None or last.filters is None:
            raise self.refused(step, "does not follow a convolution")
        if self.averaged or self.flat:
            raise self.refused(step, "comes after the maps were averaged or flattened")
        if last.filters.pool:
            raise self.refused(step, "follows another pooling without a convolution between")
        if self.side(layer.padding, step) != 0:
            raise self.refused(step, f"has padding ({layer.padding}), which is not read yet")
        if self.side(layer.dilation, step) != 1:
            raise self.refused(step, f"has dilation ({layer.dilation})")
        size, stride = (self.side(value, step) for value in (layer.kernel_size, layer.stride))
        last.filters = replace(last.filters, pool=Pool(size, stride, layer.ceil_mode))

    def shrink(self, step: Step, layer: nn.AdaptiveAvgPool2d) -> None:
        """Take the average of the last maps."""
        if not self.found:
            raise self.refused(step, "averages before the first convolution")
        average = self.side(layer.output_size, step)
        if self.flat or (self.averaged and self.average not in (None, average)):
            raise self.refused(step, "averages what was flattened or averaged before")
        self.averaged, self.average = step, average

    def drop(self, step: Step, layer: nn.Softmax | nn.LogSoftmax) -> None:
        """Leave out a softmax over the classes."""
        if layer.dim not in (1, -1, None):
            raise self.refused(step, f"is over dimension {layer.dim} and not over the classes, 1")
        self.dropped = step

    def check_ends(self) -> None:
        """Raise UserError where the chain has no convolution or does not end in class scores."""
        reason = "it has no layer with weights"
        if self.found:
            last = self.found[-1]
            reason = (
                f"its last layer with weights, {last.name}, is a convolution and not fully connected"
                if last.filters
                else f"a ReLU follows its last layer, {last.name}, whose values are then no class scores"
                if last.rectified
                else ""
            )
        if reason:
            raise UserError(f"model.source = {self.source} can't be projected: {reason}; must be {CHAIN}")
