"""Input of the network: uint8 pixels minus the per-pixel mean of the training images (section 3)."""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from zfpipe.reading import mean
from zfpipe.reading.crops import CENTRE, offsets
from zfpipe.reading.reader import Batch

T = TypeVar("T")


class MeanSubtraction:
    """Converts a batch of uint8 crops to the network's input: float32, channels-last, about -128..128.

    The mean is a whole image. From each crop, the same crop of the mean is subtracted, flipped in the same way.
    """

    def __init__(self, mean_crops: Float[Tensor, "10 y x 3"], device: torch.device):
        self.mean_crops = mean_crops.to(device)
        self.device = device

    @classmethod
    def read(
        cls, path: Path, crop: int, device: torch.device, constant: Sequence[float] | None = None
    ) -> "MeanSubtraction":
        """Read the mean image and cut it into crops of `crop` pixels, or use the colour `constant` (RGB) instead."""
        if constant is not None:
            return cls(torch.tensor(constant).expand(10, crop, crop, 3), device)
        return cls(torch.from_numpy(mean.mean_crops(mean.read(path), crop)), device)

    def grey(self, value: float) -> Float[Tensor, "3 y x"]:
        """Return a centre crop of one grey (0..255) minus the mean, which differs from pixel to pixel."""
        return rearrange(value - self.mean_crops[CENTRE], "y x rgb -> rgb y x")

    def __call__(self, batch: Batch) -> Float[Tensor, "batch 3 y x"]:
        """Return the input for a batch with one crop or ten crops of each image; ten crops follow one another."""
        images = sent(batch.images, self.device)
        if batch.whole:
            images = cut(images, batch.crops, self.mean_crops.shape[1])
        images = images.float()
        if images.dim() == 5:
            images = (images - self.mean_crops).flatten(0, 1)
        elif self.device.type == "cpu":
            assert batch.crops is not None
            for image, crop in zip(images, batch.crops.tolist(), strict=True):
                image -= self.mean_crops[crop]  # one by one, in the cache: four times as fast as the whole batch
        else:
            assert batch.crops is not None
            images -= self.mean_crops[sent(batch.crops, self.device)]
        return rearrange(images, "batch y x rgb -> batch rgb y x")

    def ahead(
        self, batches: Generator[Batch, None, None]
    ) -> Generator[tuple[Batch, Float[Tensor, "batch 3 y x"]], None, None]:
        """Yield each batch and the network's input. For a GPU, another stream prepares the next input."""
        if self.device.type == "cpu":
            for batch in batches:
                yield batch, self(batch)
            return
        stream = torch.cuda.Stream(self.device)

        def prepared() -> Generator[tuple[Batch, Tensor, Any], None, None]:
            torch.cuda.set_device(self.device)  # each thread has its own current device
            while True:
                with torch.cuda.stream(stream):  # `Resident` batches pick their images here too
                    batch = next(batches, None)
                    if batch is None:
                        return
                    found = batch, self(batch), stream.record_event()
                yield found

        with closing(batches):
            for batch, images, ready in one_ahead(prepared()):
                current = torch.cuda.current_stream(self.device)
                current.wait_event(ready)
                images.record_stream(current)  # else the next batch could reuse the memory too early
                yield batch, images


def cut(
    squares: UInt8[Tensor, "batch y y 3"], numbers: Int64[Tensor, "batch"] | None, crop: int
) -> UInt8[Tensor, "batch *crop 3"]:
    """Cut the crop of the given number out of each image, on the images' device. Without numbers, cut all ten crops."""
    corners, device = torch.from_numpy(offsets(squares.shape[1], crop)), squares.device
    if numbers is None:
        five = torch.stack([squares[:, top : top + crop, left : left + crop] for top, left in corners.tolist()], 1)
        return torch.cat([five, five.flip(3)], 1)
    tops, lefts, flipped = sent(torch.stack([*corners[numbers % 5].T, (numbers >= 5).long()]), device)[..., None]
    steps = torch.arange(crop, device=device)
    rows, columns = tops + steps, lefts + torch.where(flipped.bool(), crop - 1 - steps, steps)
    images = torch.arange(len(squares), device=device)
    return squares[images[:, None, None], rows[:, :, None], columns[:, None, :]]


def one_ahead(source: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items of `source`. A thread makes the next item while the present item is in use."""
    with closing(source), ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, source, None)
        while (made := waiting.result()) is not None:
            waiting = thread.submit(next, source, None)
            yield made


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on the device. The copy to a GPU is asynchronous, from pinned memory."""
    return tensor if tensor.device.type == device.type else tensor.pin_memory().to(device, non_blocking=True)
