"""Layer-1 filters and how healthy they are (section 4.1, Fig. 6)."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet.network import ConvNet


@dataclass(frozen=True)
class FilterStatistics:
    """Numbers beside the pictures of Fig. 6: RMS over each filter's weights, and the share that never fires."""

    rms_max: float
    rms_median: float
    dominance: float
    dead: float

    def as_dict(self) -> dict[str, float]:
        """The numbers by name."""
        return asdict(self)


def layer1_filters(network: ConvNet) -> Float[np.ndarray, "map 3 y x"]:
    """The filters of layer 1."""
    return network.conv(1).weight.detach().cpu().numpy()


@torch.inference_mode()
def statistics(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> FilterStatistics:
    """RMS of layer 1's filters, the largest over the median (dominance), and the share dead on these images."""
    filters = layer1_filters(network).astype(np.float64)
    rms = np.sqrt((filters**2).mean((1, 2, 3)))
    alive = torch.zeros(len(filters), dtype=torch.bool, device=inputs.device)
    for batch in tqdm(batches.epoch(), total=len(batches), desc="filters", leave=False, disable=None):
        (trace,) = network.trace(inputs(batch), last=1)
        alive |= trace.rectified.amax((0, 2, 3)) > 0
    median = float(np.median(rms))
    return FilterStatistics(float(rms.max()), median, float(rms.max()) / median, float((~alive).double().mean()))
