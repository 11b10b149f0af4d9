"""Networks on disk: safetensors files, which hold no code. The metadata describe the network."""

import importlib
import json
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from zfpipe import store
from zfpipe.errors import UserError
from zfpipe.network.architecture import Architecture, architecture
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.network.foreign import Foreign
from zfpipe.sections import Network, Norm

ARCHITECTURE = TypeAdapter(Architecture)
FILE = "weights.safetensors"


def build(model: Network, crop: int, classes: int) -> ConvNet:
    """Return a network like Fig. 3 whose weights are not drawn yet."""
    return ConvNet(architecture(model, crop, classes), model.norm, model.dropout, model.input_scale)


def untrained(model: Network, crop: int, classes: int, seed: int) -> ConvNet:
    """Return a network like Fig. 3 with random weights from a seed."""
    network = build(model, crop, classes)
    initialise(network, model.init.scheme, model.init.std, seed, model.init.first)
    return network


def started(
    model: Network, crop: int, classes: int, seed: int, pretrained: Path, device: torch.device
) -> ConvNet | Foreign:
    """Return the network before training: random weights, or the weights in `pretrained` with a new or its own softmax.

    Raises UserError if the network keeps its own softmax and the number of classes differs.
    """
    if model.origin is None:
        return untrained(model, crop, classes, seed)
    network = load(pretrained / FILE, device, model.origin)
    if not isinstance(network, Foreign):
        raise UserError(f"{pretrained / FILE} holds no network of {model.origin}; make it again: dvc repro pretrained")
    if not model.keeps_softmax:
        return network.with_new_softmax(classes, model.init.std, seed)
    own = network.architecture.denses[-1].units
    if own != classes:
        raise UserError(
            f"model.softmax = own, of {own} classes, but the pictures have {classes}; must be new, or pictures of the "
            "classes that the network was trained on"
        )
    return network


def serialised(network: ConvNet | Foreign) -> bytes:
    """Return a network as the bytes of a safetensors file. Equal weights give equal bytes."""
    if isinstance(network, Foreign):
        described = network.described
    else:
        described = {
            "architecture": ARCHITECTURE.dump_python(network.architecture, mode="json"),
            "norm": network.norm.model_dump(),
            "dropout": network.dropout,
            "input_scale": network.input_scale,
        }
    # Clones: layers of a foreign network may share weights, which safetensors does not allow
    tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    return serialise(tensors, {"network": json.dumps(described)})  # one key: the order of several would vary


def save(network: ConvNet | Foreign, path: Path) -> None:
    """Write a network to a file."""
    store.save(path, serialised(network))


def load(path: Path, device: torch.device, source: str | None = None) -> ConvNet | Foreign:
    """Return a network in evaluation mode. `source` is the function that builds a foreign network.

    Raises UserError if the file is damaged, was not written by `save`, or names another source: a file must not choose
    the code that runs.
    """
    try:
        with safe_open(store.opened(path), "pt") as file:
            described = json.loads(file.metadata()["network"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "source" in described:
            if described["source"] != source:
                raise UserError(
                    f"{path} is of {described['source']}, but model.source = {source or 'null'}; train it again"
                )
            # Imported by name, so that DVC does not track this code: its digest is in the file of a foreign network
            network = importlib.import_module("zfpipe.foreign.imported").again(described, tensors)
        else:
            network = ConvNet(
                ARCHITECTURE.validate_python(described["architecture"]),
                Norm.model_validate(described["norm"]),
                described["dropout"],
                described["input_scale"],
            )
            network.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, ValidationError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not hold a network's weights ({reason}); train it again") from None
    return network.to(device).to(memory_format=torch.channels_last).eval()
