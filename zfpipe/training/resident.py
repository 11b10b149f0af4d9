"""Sets that fit into the memory of a GPU: loaded once, so that no loader sets the pace of training."""

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
"""Of the memory that is free: training takes the rest."""
LOADED = 256
"""Images loaded at a time."""


def batches(beton: Path, device: torch.device, *, rows: np.ndarray | None = None, **choices: Any) -> Batches:
    """The batches of a beton that suit a device: a GPU cuts their crops, and holds all of the images where they fit."""
    if device.type == "cpu":
        return Batches(beton, rows=rows, **choices)
    sidecar = read_sidecar(beton)
    count = sidecar.count if rows is None else len(rows)
    if count * sidecar.resize**2 * 3 > SHARE * torch.cuda.mem_get_info(device)[0]:
        return Batches(beton, rows=rows, cut=False, **choices)
    return Resident(beton, device, rows=rows, **choices)


class Resident(Batches):
    """`Batches` whose images lie on a device, all of them, from the first epoch on; there each batch is picked."""

    def __init__(self, beton: Path, device: torch.device, **choices: Any):
        super().__init__(beton, cut=False, **choices)
        self.device = device
        self.squares: Tensor | None = None

    def load(self) -> UInt8[Tensor, "image y y 3"]:
        """The images, in the order of the beton."""
        squares = torch.empty((self.images, self.side, self.side, 3), dtype=torch.uint8, device=self.device)
        crop, rows, start = self.operation.crop, np.sort(self.rows), 0
        with Batches(self.beton, batch=LOADED, crop=crop, crops="centre", rows=rows, cut=False) as every:
            for batch in every.epoch():
                squares[start : start + len(batch.images)] = sent(batch.images, self.device)
                start += len(batch.images)
        return squares

    def epoch(self, epoch: int = 0) -> Generator[Batch, None, None]:
        """The batches of an epoch, as `Batches` gives them."""
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
        """Forgets the images."""
        super().close()
        self.squares = None
