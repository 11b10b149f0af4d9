"""Trained networks on disk: safetensors, which hold numbers and no code."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise

from zfpipe import stage
from zfpipe.convnet.architecture import architecture
from zfpipe.convnet.network import ConvNet
from zfpipe.errors import UserError
from zfpipe.params import Model


def build(model: Model, crop: int, classes: int) -> ConvNet:
    """A network with weights yet to be drawn or loaded."""
    return ConvNet(architecture(model, crop, classes), model.norm, model.dropout, model.input_scale)


def serialised(network: ConvNet) -> bytes:
    """The weights as the bytes of a safetensors file; the same weights give the same bytes."""
    return serialise({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()})


def save(network: ConvNet, path: Path) -> None:
    """Writes the weights."""
    with stage.whole(path) as temporary:
        temporary.write_bytes(serialised(network))


def load(model: Model, crop: int, classes: int, path: Path, device: torch.device) -> ConvNet:
    """A trained network, ready for evaluation.

    Raises UserError when the file is damaged or belongs to another network.
    """
    network = build(model, crop, classes)
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not hold this network's weights ({reason}); train it again") from None
    return network.to(device).to(memory_format=torch.channels_last).eval()
