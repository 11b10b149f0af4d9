"""A convnet that another library builds, read layer by layer into ours, so that every probe works on it unchanged."""

import importlib
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from zfpipe.errors import UserError
from zfpipe.network import weights
from zfpipe.network.architecture import Filters, Pool, sized
from zfpipe.network.convnet import ConvNet
from zfpipe.params import Model

CHAIN = "a chain of convolutions (each with a ReLU, perhaps max pooling) and then fully connected layers"


@dataclass
class Found:
    """A layer with weights, and what follows it in the chain."""

    name: str
    weight: Tensor
    bias: Tensor
    filters: Filters | None = None
    rectified: bool = False


def run(model: Model, crop: int, log: Callable[[str], None]) -> dict[str, Any]:
    """What training starts from, by the names of its files: where its weights come from, and of a source these."""
    network = read(model, crop)
    log(f"{model.source}: {len(network.architecture.convs)} convolution layers")
    return {"start.json": {"source": model.source}, weights.FILE: weights.serialised(network)}


@torch.no_grad()
def read(model: Model, crop: int) -> ConvNet:
    """The network that `model.source` builds, with the weights of the file `model.weights`, as one of ours.

    Its layers are numbered from 1; batch normalisation and the division by `input_std` are part of the filters. Raises
    UserError when it can't be built, when the weights are another network's, and when the deconvnet has no way down
    through it, such as for a residual block.
    """
    assert model.source is not None and model.weights is not None
    state = read_state(Path(model.weights))
    module = built(model.source, state).eval()
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{model.weights} does not hold the weights of {model.source} ({said(error)}); must be its state dict"
        ) from None
    found, average = chain(module, model.source)
    convs, denses = ([one for one in found if (one.filters is not None) == kind] for kind in (True, False))
    spread = torch.tensor(model.input_std)[:, None, None]
    convs[0].weight = convs[0].weight / spread
    units = {len(convs) + place: len(one.bias) for place, one in enumerate(denses, 1)}
    try:
        architecture = sized([one.filters for one in convs if one.filters], units, crop, average)
    except ValueError as error:
        raise UserError(f"model.source = {model.source}: at crops.size = {crop} {error}") from None
    if architecture.features != denses[0].weight.shape[1]:
        raise UserError(
            f"model.source = {model.source}: {denses[0].name} takes {denses[0].weight.shape[1]:,} values, at "
            f"crops.size = {crop} there are {architecture.features:,}; set crops.size to what it was trained with"
        )
    network = ConvNet(architecture, model.norm, model.dropout, 1.0, model.input_mean).eval()
    for one, ours in zip(found, [*network.convs.values(), *network.denses.values()], strict=True):
        ours.get_parameter("weight").copy_(one.weight)
        ours.get_parameter("bias").copy_(one.bias)
    check_same(module, network, model)
    return network


def built(source: str, state: dict[str, Tensor]) -> nn.Module:
    """What the function `source` returns, asked for as many classes as the weights have."""
    module, _, name = source.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"model.source = {source}; {error}; must be module:function of an installed module") from None
    classes = [len(tensor) for tensor in state.values() if tensor.dim() == 2]
    try:
        network = function(num_classes=classes[-1]) if classes else function()
    except TypeError:  # it takes no such argument
        network = function()
    if not isinstance(network, nn.Module):
        raise UserError(f"model.source = {source}; it returned a {type(network).__name__}; must return an nn.Module")
    return network


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or a torch file, which is loaded weights-only: it can't run code."""
    try:
        state: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError:
        raise UserError(f"model.weights = {path}; no such file; must be a local state dict or safetensors") from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"model.weights = {path} can't be read as weights alone ({said(error)})") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"model.weights = {path} holds no state dict; save one by torch.save(net.state_dict(), ...)")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def leaves(module: nn.Module, source: str, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The single layers in order. Raises UserError where they are no chain."""
    children = dict(module.named_children())
    if not children:
        yield name, module
    elif isinstance(module, nn.Sequential):
        for key, child in children.items():
            yield from leaves(child, source, f"{name}.{key}".strip("."))
    elif {"features", "classifier"} <= children.keys() <= {"features", "avgpool", "classifier"}:
        yield from leaves(children["features"], source, "features")
        if "avgpool" in children:
            yield from leaves(children["avgpool"], source, "avgpool")
        yield "flatten", nn.Flatten()
        yield from leaves(children["classifier"], source, "classifier")
    else:
        blocks = ((f"{name}.{key}".strip("."), part) for key, part in module.named_modules() if key)
        blamed = next(
            ((key, part) for key, part in blocks if any(part.children()) and not isinstance(part, nn.Sequential)),
            (name, module),
        )
        raise refused(source, blamed[0] or "the network", blamed[1], "goes its own ways, such as a sum of two")


def refused(source: str, name: str, layer: nn.Module, reason: str) -> UserError:
    """The error for a network that the deconvnet can't go down through."""
    return UserError(
        f"model.source = {source} can't be projected: {name}, a {type(layer).__name__}, {reason}; must be {CHAIN}"
    )


def chain(module: nn.Module, source: str) -> tuple[list[Found], int | None]:
    """The layers with weights in order, and the side that the last maps are averaged to; None: they are not."""
    found: list[Found] = []
    average, flat = None, False
    for name, layer in leaves(module, source):
        last = found[-1] if found else None
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if last is not None and not last.rectified:
                raise refused(source, name, layer, f"follows {last.name} without a ReLU between")
            if isinstance(layer, nn.Linear) != flat or (average is not None and not flat):
                raise refused(source, name, layer, "stands before the maps are flattened, or after")
            filters = filters_of(layer, len(found) + 1, source, name) if isinstance(layer, nn.Conv2d) else None
            bias = layer.bias if layer.bias is not None else torch.zeros(len(layer.weight))
            found.append(Found(name, layer.weight, bias, filters))
        elif isinstance(layer, nn.BatchNorm2d) and last and last.filters and not last.rectified:
            fold(last, layer)
        elif isinstance(layer, nn.ReLU) and last is not None:
            last.rectified = True
        elif isinstance(layer, nn.MaxPool2d) and last and last.filters and last.rectified and not last.filters.pool:
            last.filters = replace(last.filters, pool=pool_of(layer, source, name))
        elif isinstance(layer, nn.AdaptiveAvgPool2d) and not flat and average is None:
            average = side(layer.output_size, layer, source, name)
        elif isinstance(layer, nn.Flatten):
            flat = True
        elif not isinstance(layer, nn.Dropout | nn.Identity):
            raise refused(source, name, layer, "is no layer that it knows a way down through, or not in this place")
    if not flat or not found or found[0].filters is None or found[-1].filters or found[-1].rectified:
        raise UserError(f"model.source = {source} can't be projected: it does not end in class scores; must be {CHAIN}")
    return found, average


def filters_of(layer: nn.Conv2d, number: int, source: str, name: str) -> Filters:
    """A convolution's numbers."""
    if layer.groups != 1 or layer.padding_mode != "zeros" or set(layer.dilation) != {1}:
        raise refused(source, name, layer, "has groups, dilation or another padding than zeros")
    size, stride, padding = (
        side(value, layer, source, name) for value in (layer.kernel_size, layer.stride, layer.padding)
    )
    return Filters(number, layer.out_channels, size, stride, padding)


def pool_of(layer: nn.MaxPool2d, source: str, name: str) -> Pool:
    """A pooling's numbers."""
    if side(layer.padding, layer, source, name) != 0 or side(layer.dilation, layer, source, name) != 1:
        raise refused(source, name, layer, "has padding or dilation")
    size, stride = (side(value, layer, source, name) for value in (layer.kernel_size, layer.stride))
    return Pool(size, stride, layer.ceil_mode)


def side(value: Any, layer: nn.Module, source: str, name: str) -> int:
    """The one number of a square."""
    numbers = set(value) if isinstance(value, tuple | list) else {value}
    if len(numbers) != 1 or not all(isinstance(number, int) for number in numbers):
        raise refused(source, name, layer, f"is not square ({value})")
    return numbers.pop()


def fold(found: Found, norm: nn.BatchNorm2d) -> None:
    """Batch normalisation with fixed statistics is one factor and one bias for each map."""
    assert norm.running_mean is not None and norm.running_var is not None
    factor = (norm.running_var + norm.eps).rsqrt() * (norm.weight if norm.affine else 1)
    found.weight = found.weight * factor[:, None, None, None]
    found.bias = (found.bias - norm.running_mean) * factor + (norm.bias if norm.affine else 0)


def check_same(module: nn.Module, network: ConvNet, model: Model) -> None:
    """Both say the same of some images: a `forward` may do more than its layers tell."""
    crop = network.architecture.crop
    pixels = torch.rand(2, 3, crop, crop, generator=torch.Generator().manual_seed(0)) * 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (model.input_mean, model.input_std))
    theirs, ours = module((pixels - mean) / std), network(pixels - mean)
    if theirs.shape != ours.shape or (theirs - ours).abs().max() > 1e-3 * theirs.abs().max():
        raise UserError(
            f"model.source = {model.source} can't be projected: its forward computes more than its layers in a row; "
            f"must be {CHAIN}"
        )


def said(error: Exception) -> str:
    """An error's words in one line."""
    return " ".join(str(error).split())[:200]
