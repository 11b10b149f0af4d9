"""A convnet that another library builds: read it with its weights, and build it again from its file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zfpipe.anynet.network import AnyNet
from zfpipe.anynet.outline import replaced
from zfpipe.errors import UserError
from zfpipe.foreign import built, code, state
from zfpipe.foreign.words import failed
from zfpipe.network import weights
from zfpipe.sections import Model


def run(model: Model, crop: int, watched: Mapping[str, str], log: Callable[[str], None]) -> dict[str, Any]:
    """Return the files that training starts from, by name: the source's name, and the network's weights.

    `watched` holds digests of the source's code. They are part of the file, so a change of the code changes the file.
    """
    network = read(model, crop, log)
    network.described["code"] = [code.ours(), watched]
    log(f"{model.source}: {', '.join(f'layer {conv.layer} is {conv.name}' for conv in network.architecture.convs)}")
    return {"start.json": {"source": model.source}, weights.FILE: weights.serialised(network)}


def read(model: Model, crop: int, log: Callable[[str], None] = lambda line: None) -> AnyNet:
    """Return the network that `model.source` builds, with the weights of the file `model.weights`.

    The layers to look at are numbered from 1, then the units above them. A softmax at the end is left out and logged.
    Raises UserError if the network can't be built, if the weights do not fit, or if the network does not take the crops
    or gives no class scores.
    """
    assert model.source is not None and model.weights is not None
    path = Path(model.weights)
    module, asked = built.network(model.source, path, state.read(path))
    described = {
        "source": model.source,
        "asked": asked,
        "classes": None,
        "crop": crop,
        "input_mean": model.input_mean,
        "input_std": model.input_std,
        "layers": model.layers,
    }
    try:
        network = AnyNet(module, crop, model.input_mean, model.input_std, model.layers, described)
        check(network, crop)
    except UserError as error:
        raise UserError(f"model.source = {model.source}, crops.size = {crop}: {error}") from None
    if softmax := network.top.softmax:
        log(f"{model.source}: {softmax.what} is left out; its input is used as the scores")
    return network


@torch.no_grad()
def check(network: AnyNet, crop: int) -> None:
    """Raise UserError unless the scores of two random images are finite and the same alone, together and again."""
    images = torch.rand(2, 3, crop, crop, generator=torch.Generator().manual_seed(0)) * 255
    images -= torch.tensor(network.input_mean)[:, None, None]

    def scores() -> Tensor:
        try:
            return network(images)
        except UserError:
            raise
        except Exception as error:  # the network is the user's and can raise any exception
            raise UserError(f"it takes one image but no batch of two, {failed(error)}; must take any batch") from None

    first = scores()
    if not first.isfinite().all():
        raise UserError("its scores for random images are NaN or infinite; must be numbers")
    *_, (_, through) = network.features(images)
    if through.shape != first.shape:
        returned = type(network.module(images / network.std)).__name__
        raise UserError(f"its forward returns a {returned}, and not the class scores alone")
    for other in (scores(), through, torch.cat([network(one[None]) for one in images])):
        if other.shape != first.shape or not (other - first).abs().max() <= 1e-3 * first.abs().max():
            raise UserError("its scores vary between calls or batches; must depend on the image alone")


def again(described: dict[str, Any], tensors: dict[str, Tensor]) -> AnyNet:
    """Build the network of a file that `weights.serialised` wrote, from the file's metadata and tensors."""
    source = described["source"]
    module = built.made(built.builder(source), source, described["asked"])
    crop, mean, std, names = (described[name] for name in ("crop", "input_mean", "input_std", "layers"))
    network = AnyNet(module, crop, mean, std, names, described)
    if described["classes"] is not None:
        module = replaced(network.module, network.top.classifier, described["classes"])
        network = AnyNet(module, crop, mean, std, names, described)
    network.load_state_dict(tensors)
    return network
