"""Networks on disk: safetensors, which hold numbers and no code, and say themselves what network they are of."""

import json
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from zfpipe import stage
from zfpipe.convnet.architecture import Architecture, architecture
from zfpipe.convnet.network import ConvNet
from zfpipe.errors import UserError
from zfpipe.params import Network, Norm

ARCHITECTURE = TypeAdapter(Architecture)


def build(model: Network, crop: int, classes: int) -> ConvNet:
    """A network as in Fig. 3 with weights yet to be drawn."""
    return ConvNet(architecture(model, crop, classes), model.norm, model.dropout, model.input_scale)


def serialised(network: ConvNet) -> bytes:
    """A network as the bytes of a safetensors file; the same weights give the same bytes."""
    described = {
        "architecture": ARCHITECTURE.dump_python(network.architecture, mode="json"),
        "norm": network.norm.model_dump(),
        "dropout": network.dropout,
        "input_scale": network.input_scale,
        "input_mean": network.input_mean,
    }
    tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    return serialise(tensors, {"network": json.dumps(described)})  # one key: of several the order would vary


def save(network: ConvNet, path: Path) -> None:
    """Writes a network."""
    with stage.whole(path) as temporary:
        temporary.write_bytes(serialised(network))


def load(path: Path, device: torch.device) -> ConvNet:
    """A network, ready for evaluation. Raises UserError when the file is damaged or not one of `save`'s."""
    try:
        with safe_open(path, "pt") as file:
            described = json.loads(file.metadata()["network"])
            network = ConvNet(
                ARCHITECTURE.validate_python(described["architecture"]),
                Norm.model_validate(described["norm"]),
                described["dropout"],
                described["input_scale"],
                described["input_mean"],
            )
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError, ValidationError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not hold a network's weights ({reason}); train it again") from None
    return network.to(device).to(memory_format=torch.channels_last).eval()
