"""A convnet that another library builds, read layer by layer into ours, so that every probe works on it unchanged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zfpipe.errors import UserError
from zfpipe.foreign import built, state
from zfpipe.foreign.chain import CHAIN, Chain
from zfpipe.foreign.followed import Followed, follow
from zfpipe.foreign.steps import steps_of
from zfpipe.network import weights
from zfpipe.network.architecture import Architecture, sized
from zfpipe.network.convnet import ConvNet
from zfpipe.params import Model


def run(model: Model, crop: int, log: Callable[[str], None]) -> dict[str, Any]:
    """What training starts from, by the names of its files: where its weights come from, and of a source these."""
    network = read(model, crop, log)
    log(f"{model.source}: {len(network.architecture.convs)} convolution layers")
    return {"start.json": {"source": model.source}, weights.FILE: weights.serialised(network)}


@torch.no_grad()
def read(model: Model, crop: int, log: Callable[[str], None] = lambda line: None) -> ConvNet:
    """The network that `model.source` builds, with the weights of the file `model.weights`, as one of ours.

    Its layers are numbered from 1; batch normalisation and the division by `input_std` are part of the filters; a last
    softmax is left out, which is logged. Raises UserError when it can't be built, when the weights are another
    network's, and when the deconvnet has no way down through it, such as for a residual block.
    """
    assert model.source is not None and model.weights is not None
    path = Path(model.weights)
    module = built.network(model.source, path, state.read(path))
    pixels = torch.rand(2, 3, crop, crop, generator=torch.Generator().manual_seed(0)) * 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (model.input_mean, model.input_std))
    images = (pixels - mean) / std
    followed = follow(module, images.clone(), model.source)
    chain = Chain(model.source)
    for step in steps_of(followed):
        chain.take(step)
    architecture = shaped(chain, followed, crop)
    chain.found[0].weight = chain.found[0].weight / std
    network = ConvNet(architecture, model.norm, model.dropout, 1.0, model.input_mean).eval()
    for one, ours in zip(chain.found, [*network.convs.values(), *network.denses.values()], strict=True):
        ours.get_parameter("weight").copy_(one.weight)
        ours.get_parameter("bias").copy_(one.bias)
    check_same(model.source, module(images.clone()), followed.scores)
    check_same(model.source, chain.dropped.given if chain.dropped else followed.scores, network(pixels - mean))
    if chain.dropped:
        log(f"{model.source}: {chain.dropped.called} is left out; the scores below it are what is read")
    return network


def shaped(chain: Chain, followed: Followed, crop: int) -> Architecture:
    """Return the sizes of all layers. Raises UserError where the network does not fit such crops, or has no end."""
    source, trained = chain.source, "set crops.size to what it was trained with"
    convs, denses = ([one for one in chain.found if (one.filters is not None) == kind] for kind in (True, False))
    units = {len(convs) + place: len(one.bias) for place, one in enumerate(denses, 1)} or {len(convs) + 1: 1}
    try:
        architecture = sized([one.filters for one in convs if one.filters], units, crop, chain.average)
    except ValueError as error:
        raise UserError(f"model.source = {source}: at crops.size = {crop} {error}") from None
    if denses and architecture.features != denses[0].weight.shape[1]:
        raise UserError(
            f"model.source = {source}: {denses[0].name} takes {denses[0].weight.shape[1]:,} values, at "
            f"crops.size = {crop} there are {architecture.features:,}; {trained}"
        )
    if followed.failure:
        last = chain.found[-1].name if chain.found else "the images"
        raise UserError(
            f"model.source = {source}: at crops.size = {crop} its forward fails after {last} ({followed.failure}); "
            f"{trained}"
        )
    chain.check_ends()
    return architecture


def check_same(source: str, theirs: Any, ours: Tensor) -> None:
    """Raise UserError unless both are the same scores of some images: a layer may do more than its kind tells."""
    numbers = isinstance(theirs, Tensor) and bool(theirs.isfinite().all())
    if isinstance(theirs, Tensor) and not numbers:
        raise UserError(f"model.source = {source}: its scores for random images are NaN or infinite; must be numbers")
    if not numbers or theirs.shape != ours.shape or not (theirs - ours).abs().max() <= 1e-3 * theirs.abs().max():
        raise UserError(
            f"model.source = {source} can't be projected: its forward computes more than its layers in a row; "
            f"must be {CHAIN}"
        )
