"""Images as the network takes them: uint8 pixels minus the per-pixel mean (section 3)."""

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
        images = sent(batch.images, self.device)
        if batch.whole:
            images = cut(images, batch.crops, self.mean_crops.shape[1])
        images = images.float()
        if images.dim() == 5:
            images = (images - self.mean_crops).flatten(0, 1)
        elif self.device.type == "cpu":
            assert batch.crops is not None
            for image, crop in zip(images, batch.crops.tolist(), strict=True):
                image -= self.mean_crops[crop]  # one by one, in the cache, four times as fast as together
        else:
            assert batch.crops is not None
            images -= self.mean_crops[sent(batch.crops, self.device)]
        return rearrange(images, "batch y x rgb -> batch rgb y x")

    def ahead(
        self, batches: Generator[Batch, None, None]
    ) -> Generator[tuple[Batch, Float[Tensor, "batch 3 y x"]], None, None]:
        """Each batch beside what the network takes; for a GPU made one batch ahead, on a stream of its own."""
        if self.device.type == "cpu":
            for batch in batches:
                yield batch, self(batch)
            return
        stream = torch.cuda.Stream(self.device)

        def prepared() -> Generator[tuple[Batch, Tensor, Any], None, None]:
            torch.cuda.set_device(self.device)  # each thread has its own
            while True:
                with torch.cuda.stream(stream):  # of `Resident` batches the images are picked here too
                    batch = next(batches, None)
                    if batch is None:
                        return
                    found = batch, self(batch), stream.record_event()
                yield found

        with closing(batches):
            for batch, images, ready in one_ahead(prepared()):
                current = torch.cuda.current_stream(self.device)
                current.wait_event(ready)
                images.record_stream(current)  # keeps its memory from the next batch until this one is done with it
                yield batch, images


def cut(
    squares: UInt8[Tensor, "batch y y 3"], numbers: Int64[Tensor, "batch"] | None, crop: int
) -> UInt8[Tensor, "batch *crop 3"]:
    """The crop of its number out of each image, on the device where the images lie; without numbers all ten of each."""
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
    """The same things, each made in a thread while the one before is in use."""
    with closing(source), ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, source, None)
        while (made := waiting.result()) is not None:
            waiting = thread.submit(next, source, None)
            yield made


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device: a GPU copies it in its own time, from memory that stays in place until it has."""
    return tensor if tensor.device.type == device.type else tensor.pin_memory().to(device, non_blocking=True)
