"""The convnets of Fig. 3 and of Krizhevsky et al., built from an architecture (section 3)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from zfpipe.network.architecture import Architecture, Conv
from zfpipe.sections import Norm


@dataclass(frozen=True)
class LayerTrace:
    """What one convolution layer computed for a batch, for the deconvnet and the probes.

    `rectified` is the map after the ReLU, before pooling: the "feature map" of the figures. `switches` holds, for each
    pooled value, its place in the flattened map before pooling (section 2.1). `normed` is the input of the
    normalisation, or None if the layer has no normalisation.
    """

    layer: int
    rectified: Float[Tensor, "batch map y x"]
    switches: Int64[Tensor, "batch map pooled_y pooled_x"] | None
    normed: Float[Tensor, "batch map _ _"] | None
    output: Float[Tensor, "batch map pooled_y pooled_x"]


class ConvNet(nn.Module):
    """Convolution layers, then fully connected layers and a softmax: five, two and one in the paper.

    The input is `(batch, 3, crop, crop)`: RGB minus the mean of the training images, about -128..128. The network
    multiplies the input by `input_scale` first. The output is `(batch, classes)` logits.

    `norm` is given for pixels that are not scaled. If the input is multiplied by s, with equal filters and s times the
    biases, all values of all layers are multiplied by s, since ReLU and pooling keep a factor. The normalisation keeps
    the factor if alpha is divided by s squared. The network divides alpha so in every layer, so the normalisation acts
    as at the paper's scale.
    """

    input_mean: None = None
    """Only a foreign network has a mean for each colour in place of the mean of the training images."""

    def __init__(self, architecture: Architecture, norm: Norm, dropout: float, input_scale: float = 1.0):
        super().__init__()
        self.architecture = architecture
        self.norm = norm
        self.dropout = dropout
        self.input_scale = input_scale
        self.convs = nn.ModuleDict(
            {
                str(conv.layer): nn.Conv2d(conv.maps_in, conv.maps, conv.filter_size, conv.stride, conv.padding)
                for conv in architecture.convs
            }
        )
        self.denses = nn.ModuleDict(
            {str(dense.layer): nn.Linear(dense.units_in, dense.units) for dense in architecture.denses}
        )
        for conv in architecture.convs:
            if conv.normed:
                self.register_buffer(f"band{conv.layer}", band(conv.maps, norm.size), persistent=False)

    def conv(self, layer: int) -> nn.Conv2d:
        """Return a convolution layer."""
        module = self.convs[str(layer)]
        assert isinstance(module, nn.Conv2d)
        return module

    def normalise(self, layer: int, maps: Float[Tensor, "batch map y x"]) -> Float[Tensor, "batch map y x"]:
        """Return the local response normalisation of a layer's rectified or pooled maps."""
        return normalised(maps, self.get_buffer(f"band{layer}"), self.norm, self.input_scale)

    def trace(
        self, images: Float[Tensor, "batch 3 y x"], last: int | None = None, switches: bool = True
    ) -> Iterator[LayerTrace]:
        """Yield the convolution layers up to layer `last`. Without `switches`, which take time, the trace is faster."""
        signal = images * self.input_scale
        for conv in self.architecture.convs:
            if last is not None and conv.layer > last:
                return
            rectified = functional.relu(self.conv(conv.layer)(signal))
            signal, places, given = self.after(conv, rectified, switches)
            yield LayerTrace(conv.layer, rectified, places, given, signal)

    def after(
        self, conv: Conv, rectified: Float[Tensor, "batch map y x"], switches: bool
    ) -> tuple[
        Float[Tensor, "batch map pooled_y pooled_x"],
        Int64[Tensor, "batch map pooled_y pooled_x"] | None,
        Float[Tensor, "batch map _ _"] | None,
    ]:
        """Run what follows a layer's ReLU. Return the output, the switches, and the input of the normalisation."""
        signal, places, given = rectified, None, None
        if conv.normed and self.norm.before_pool:
            given = signal
            signal = self.normalise(conv.layer, signal)
        if conv.pool and switches:
            signal, places = functional.max_pool2d(
                signal, conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil, return_indices=True
            )
        elif conv.pool:
            signal = functional.max_pool2d(signal, conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)
        if conv.normed and not self.norm.before_pool:
            given = signal
            signal = self.normalise(conv.layer, signal)
        return signal, places, given

    def finish(
        self, layer: Conv, rectified: Float[Tensor, "batch map y x"]
    ) -> Float[Tensor, "batch map pooled_y pooled_x"]:
        """Run what follows a layer's ReLU: pooling and normalisation, if the layer has them."""
        signal, _, _ = self.after(layer, rectified, switches=False)
        return signal

    def dense(self, maps: Float[Tensor, "batch map y x"]) -> Iterator[tuple[int, Float[Tensor, "batch unit"]]]:
        """Yield the units of the fully connected layers by number, after the ReLU; the logits come last."""
        signal = maps.flatten(1)
        for dense in self.architecture.denses:
            signal = self.denses[str(dense.layer)](signal)
            if dense.kind == "hidden":
                signal = functional.dropout(functional.relu(signal), self.dropout, self.training)
            yield dense.layer, signal

    @torch.inference_mode()
    def features(self, images: Float[Tensor, "batch 3 y x"]) -> Iterator[tuple[int, Tensor]]:
        """Yield each layer's output by number: convolution layers, fully connected layers, and the logits last."""
        maps = images
        for trace in self.trace(images, switches=False):
            maps = trace.output
            yield trace.layer, maps
        yield from self.dense(maps)

    def classify(self, maps: Float[Tensor, "batch map y x"]) -> Float[Tensor, "batch class"]:
        """Return the logits for the output of the last convolution layer."""
        *_, (_, logits) = self.dense(maps)
        return logits

    def forward(self, images: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch class"]:
        """Return the logits of a batch."""
        signal = images
        for conv in self.architecture.convs:
            module, pool = self.conv(conv.layer), conv.pool
            weight = module.weight * self.input_scale if conv is self.architecture.convs[0] else module.weight
            signal = functional.conv2d(signal, weight, module.bias, conv.stride, conv.padding)
            if conv.normed and self.norm.before_pool:
                signal = self.finish(conv, functional.relu_(signal))
                continue
            if pool:  # pooling first leaves a quarter for the ReLU, with the same values and gradients
                signal = functional.max_pool2d(signal, pool.size, pool.stride, ceil_mode=pool.ceil)
            signal = functional.relu_(signal)
            if conv.normed:
                signal = self.normalise(conv.layer, signal)
        return self.classify(signal)


def band(maps: int, size: int) -> Float[Tensor, "map map 1 1"]:
    """Return a 1x1 convolution that adds up, for each map, the `size` maps that normalise this map."""
    offset = torch.arange(maps)[None, :] - torch.arange(maps)[:, None]
    return ((offset >= -(size // 2)) & (offset <= (size - 1) // 2)).float()[:, :, None, None]


def normalised(
    maps: Float[Tensor, "batch map y x"], band: Float[Tensor, "map map 1 1"], norm: Norm, input_scale: float = 1.0
) -> Float[Tensor, "batch map y x"]:
    """Compute `nn.LocalResponseNorm` (Krizhevsky et al. 2012, 3.3) by a banded 1x1 convolution, which is faster.

    `norm.alpha` is for pixels that are not scaled; the maps come from pixels multiplied by `input_scale`.
    """
    alpha = norm.alpha / input_scale**2
    return Normalisation.apply(maps, band.to(maps.dtype) * (alpha / norm.size), norm.k, norm.beta)


class Normalisation(torch.autograd.Function):
    """Compute `maps` / (k + `weight` * maps^2)^beta, with a gradient that reads memory a third as often as autograd."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, maps: Tensor, weight: Tensor, k: float, beta: float
    ) -> Tensor:
        """Normalise, and keep for the gradient the sum in brackets (`base`) and its power (`scale`)."""
        base = functional.conv2d(maps * maps, weight, weight.new_full((len(weight),), k))
        if beta == 0.75:  # two square roots are much faster than a power
            root = base.rsqrt().to(base.dtype)  # in float32 under CUDA's autocast, unlike on a CPU
            scale = root.sqrt().mul_(root)
        else:
            scale = base.pow(-beta).to(base.dtype)
        ctx.save_for_backward(maps, weight, base, scale)
        ctx.beta = beta
        return maps * scale

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None, None, None]:
        """Return the gradient of x / base^beta: the direct term, and the term through the neighbours' bases."""
        maps, weight, base, scale = ctx.saved_tensors
        direct = gradient * scale
        others = functional.conv2d((direct * maps).div_(base), weight.transpose(0, 1))
        return torch.addcmul(direct, maps, others, value=-2 * ctx.beta), None, None, None


PIXEL_SPREAD = 64
"""Approximate standard deviation of pixels minus their mean."""


def initialise(network: ConvNet, scheme: Literal["gaussian", "he"], std: float, seed: int, first: float = 1.0) -> None:
    """Draw the weights; biases are 0.

    `gaussian`: N(0, std) everywhere (section 3). `he`: N(0, 2 / fan-in) below the softmax, with layer 1 divided by the
    standard deviation of the scaled pixels. In both schemes, the spread of layer 1 is multiplied by `first`.
    """
    generator = torch.Generator().manual_seed(seed)
    modules = [*network.convs.values(), *network.denses.values()]
    for module in modules:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        spread = std
        if scheme == "he" and module is not modules[-1]:
            inputs = PIXEL_SPREAD * network.input_scale if module is modules[0] else 1.0
            spread = math.sqrt(2 / module.weight[0].numel()) / inputs
        if module is modules[0]:
            spread *= first
        nn.init.normal_(module.weight, 0, spread, generator=generator)
        nn.init.zeros_(module.get_parameter("bias"))
