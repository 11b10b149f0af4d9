"""One activation taken up through layers 1 and 2 and down again, every step kept (Fig. 1, section 2.1)."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zfpipe.convnet.deconvnet import filtered_down, unnormalised, unpooled
from zfpipe.convnet.network import ConvNet
from zfpipe.params import Deconvnet


@dataclass(frozen=True)
class Steps:
    """What Fig. 1 draws: on the way up one map each of layers 1 and 2, on the way down the same places.

    `switches` are flat places in `map1`, one for each value of `pooled1`. `kept` is `map2` with one activation left;
    `filtered` what the transposed filter makes of it below, `unpooled` and `rectified` follow; `reconstruction` is in
    pixels, from all maps of layer 1, of which `layer1_map` passes on most.
    """

    map1: Float[np.ndarray, "y1 x1"]
    switches: Int64[np.ndarray, "pooled_y pooled_x"]
    pooled1: Float[np.ndarray, "pooled_y pooled_x"]
    map2: Float[np.ndarray, "y2 x2"]
    kept: Float[np.ndarray, "y2 x2"]
    filtered: Float[np.ndarray, "pooled_y pooled_x"]
    unpooled: Float[np.ndarray, "y1 x1"]
    rectified: Float[np.ndarray, "y1 x1"]
    reconstruction: Float[np.ndarray, "y x 3"]
    layer1_map: int

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}


@torch.no_grad()
def steps(network: ConvNet, image: Float[Tensor, "1 3 y x"], unit: tuple[int, int, int], settings: Deconvnet) -> Steps:
    """Follows the activation of the layer-2 unit `(map, y, x)`, in its rectified map."""
    first, second = network.trace(image, last=2)
    conv1, conv2 = network.architecture.convs[:2]
    kept = torch.zeros_like(second.rectified)
    kept[0, *unit] = second.rectified[0, *unit]
    down = filtered_down(kept.relu(), network.conv(2).weight, conv2)
    down = unnormalised(network, first, down, settings.norm)
    above = unpooled(down, first, settings.unpooling)
    rectified = above.relu()
    pixels = filtered_down(rectified, network.conv(1).weight, conv1) * network.input_scale
    most = int(rectified[0].sum((1, 2)).argmax())
    assert first.switches is not None

    def plane(maps: Tensor, number: int) -> np.ndarray:
        return maps[0, number].cpu().numpy()

    return Steps(
        plane(first.rectified, most),
        plane(first.switches, most),
        plane(first.pooled, most),
        plane(second.rectified, unit[0]),
        plane(kept, unit[0]),
        plane(down, most),
        plane(above, most),
        plane(rectified, most),
        pixels[0].permute(1, 2, 0).cpu().numpy(),
        most,
    )
