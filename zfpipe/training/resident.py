"""Data sets that fit into GPU memory are loaded once, so that loading does not limit the speed of training."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zfpipe.beton.sidecar import read_sidecar
from zfpipe.reading.inputs import sent
from zfpipe.reading.reader import Batch, Batches

SHARE = 0.25
"""Largest share of the free GPU memory for images; training needs the rest."""
LOADED = 256
"""Images loaded at a time."""


def batches(beton: Path, device: torch.device, *, rows: np.ndarray | None = None, **choices: Any) -> Batches:
    """Return the batches of a beton for a device. A GPU cuts the crops, and keeps all images if there is memory."""
    if device.type == "cpu":
        return Batches(beton, rows=rows, **choices)
    sidecar = read_sidecar(beton)
    count = sidecar.count if rows is None else len(rows)
    if count * sidecar.resize**2 * 3 > SHARE * torch.cuda.mem_get_info(device)[0]:
        return Batches(beton, rows=rows, cut=False, **choices)
    return Resident(beton, device, rows=rows, **choices)


class Resident(Batches):
    """`Batches` that keep all images on a device from the first epoch on, and pick each batch there."""

    def __init__(self, beton: Path, device: torch.device, **choices: Any):
        super().__init__(beton, cut=False, **choices)
        self.device = device
        self.squares: Tensor | None = None

    def load(self) -> UInt8[Tensor, "image y y 3"]:
        """Return all images, in the order of the beton."""
        squares = torch.empty((self.images, self.side, self.side, 3), dtype=torch.uint8, device=self.device)
        crop, rows, start = self.operation.crop, np.sort(self.rows), 0
        with Batches(self.beton, batch=LOADED, crop=crop, crops="centre", rows=rows, cut=False) as every:
            for batch in every.epoch():
                squares[start : start + len(batch.images)] = sent(batch.images, self.device)
                start += len(batch.images)
        return squares

    def epoch(self, epoch: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch in the order of `Batches`."""
        if self.loader is None:
            raise RuntimeError(f"the batches of {self.beton} are closed")
        if self.squares is None:
            self.squares = self.load()
        self.operation.epoch = epoch
        metadata, order = self.loader.reader.metadata, np.sort(self.rows)
        for rows in self.parts(epoch):
            places = torch.from_numpy(np.searchsorted(order, rows))
            labels, ids = (torch.from_numpy(metadata[name][rows].astype(np.int64)) for name in ("f1", "f2"))
            yield Batch(self.squares[sent(places, self.device)], labels, ids, self.numbers(rows), whole=True)

    def close(self) -> None:
        """Close the batches and release the images."""
        super().close()
        self.squares = None
