"""Images as the network takes them: uint8 pixels minus the per-pixel mean (section 3)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from zfpipe.betons import mean
from zfpipe.betons.crops import CENTRE
from zfpipe.betons.reader import Batch


class MeanSubtraction:
    """Turns a batch of uint8 crops into what the network takes: float32, channels-last, about -128..128.

    The mean belongs to the whole image, so each crop is met by the same crop of the mean, flipped alike.
    """

    def __init__(self, mean_crops: Float[Tensor, "10 y x 3"], device: torch.device):
        self.mean_crops = mean_crops.to(device)
        self.device = device

    @classmethod
    def read(
        cls, path: Path, crop: int, device: torch.device, constant: Sequence[float] | None = None
    ) -> "MeanSubtraction":
        """From the mean of the training images and the side of the crops in pixels; `constant`: RGB, instead of it."""
        if constant is not None:
            return cls(torch.tensor(constant).expand(10, crop, crop, 3), device)
        return cls(torch.from_numpy(mean.mean_crops(mean.read(path), crop)), device)

    def grey(self, value: float) -> Float[Tensor, "3 y x"]:
        """A grey pixel (0..255) all over the centre crop: minus the mean it is grey no more, but differs by place."""
        return rearrange(value - self.mean_crops[CENTRE], "y x rgb -> rgb y x")

    def __call__(self, batch: Batch) -> Float[Tensor, "batch 3 y x"]:
        """A batch of one crop each, at `batch.crops`; the ten crops come out one after another."""
        images = batch.images.to(self.device, non_blocking=True).float()
        if images.dim() == 5:
            images = rearrange(images - self.mean_crops, "batch crop y x rgb -> (batch crop) y x rgb")
        else:
            assert batch.crops is not None
            images = images - self.mean_crops[batch.crops.to(self.device)]
        return rearrange(images, "batch y x rgb -> batch rgb y x")
