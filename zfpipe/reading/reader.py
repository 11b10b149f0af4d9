"""Batches of crops out of a beton, through FFCV with its traps guarded."""

import weakref
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, no_type_check

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zfpipe.beton.compiled import numba
from zfpipe.beton.guarded_ffcv import (
    AllocationQuery,
    IntDecoder,
    Loader,
    Operation,
    OrderOption,
    SimpleRGBImageDecoder,
    State,
    ToTensor,
)
from zfpipe.beton.sidecar import check
from zfpipe.errors import UserError
from zfpipe.reading.crops import CENTRE, TEN, crop_number, offsets
from zfpipe.reading.epoch import GuardedEpoch
from zfpipe.workers import loader_threads


@dataclass(frozen=True)
class Batch:
    """Images of a beton: `(batch, y, x, 3)` in one crop each, or `(batch, 10, y, x, 3)`. Owns its memory.

    `crops` is which of the ten crops each image shows; None where it shows all. `whole` images are the beton's squares
    `(batch, y, x, 3)`, out of which the crops are still to be cut.
    """

    images: UInt8[Tensor, "batch *crop y x 3"]
    labels: Int64[Tensor, "batch"]
    ids: Int64[Tensor, "batch"]
    crops: Int64[Tensor, "batch"] | None
    whole: bool = False

    def one(self, place: int) -> "Batch":
        """A batch of one of the images."""
        part = slice(place, place + 1)
        crops = None if self.crops is None else self.crops[part]
        return Batch(self.images[part], self.labels[part], self.ids[part], crops, self.whole)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # a checker around it could not be compiled
def copy_crops(images, sources, tops, lefts, flips, crops):  # pragma: no cover - compiled
    """Copies a window of image `sources[i]` to `crops[i]`, flipped left to right where asked."""
    size = crops.shape[1]
    for crop in numba.prange(len(crops)):
        top, left = tops[crop], lefts[crop]
        for y in range(size):
            # Bytes of one line, not pixels: two to five times faster
            source = images[sources[crop], top + y].reshape(-1)[3 * left : 3 * (left + size)]
            target = crops[crop, y].reshape(-1)
            if flips[crop]:
                for x in range(0, 3 * size, 3):
                    mirrored = 3 * size - 3 - x
                    target[x] = source[mirrored]
                    target[x + 1] = source[mirrored + 1]
                    target[x + 2] = source[mirrored + 2]
            else:
                target[:] = source


class CropOperation(Operation):
    """Cuts the chosen crops.

    Outside FFCV's compiled graph, which would freeze the epoch; FFCV's own random operations differ from run to run.
    """

    def __init__(self, crop: int, crops: str, seed: int):
        super().__init__()
        self.crop = crop
        self.crops = crops
        self.seed = seed
        self.epoch = 0

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Which crop each row shows in this epoch; all ten of the first row, then of the second, ... for "ten"."""
        if self.crops == "ten":
            return np.tile(np.arange(TEN), len(rows))
        if self.crops == "centre":
            return np.full(len(rows), CENTRE, np.int64)
        return crop_number(self.seed, self.epoch, rows)

    def generate_code(self) -> Any:
        """What FFCV calls for each batch."""

        def cut(images: np.ndarray, destination: np.ndarray, rows: np.ndarray) -> np.ndarray:
            numbers = self.numbers(rows)
            sources = np.repeat(np.arange(len(rows)), len(numbers) // len(rows))
            tops, lefts = np.ascontiguousarray(offsets(images.shape[1], self.crop)[numbers % 5].T)
            crops = destination.reshape(-1, self.crop, self.crop, 3)
            copy_crops(images, sources, tops, lefts, numbers >= 5, crops)
            return destination

        cut.with_indices = True  # pyright: ignore[reportFunctionMemberAccess]
        return cut

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        """The shape of what comes out."""
        one = (self.crop, self.crop, 3)
        shape = (TEN, *one) if self.crops == "ten" else one
        return replace(previous_state, shape=shape, jit_mode=False), AllocationQuery(shape, np.dtype("uint8"))


def kept(images: Tensor) -> Tensor:
    """A copy, since the loader writes into the same memory again; where a GPU is in use, one that it can fetch."""
    return torch.empty_like(images, pin_memory=torch.cuda.is_initialized()).copy_(images)


class Batches:
    """The images of a beton in batches, epoch after epoch.

    The order (`shuffle`) and the crops ("one of ten") of an epoch are functions of the seed, the epoch and an image's
    place in the beton alone: the same for any number of workers and, crops, for any batch size. `rows` restricts
    to some places in the beton, each once. Without `cut` the images stay whole, for a GPU that cuts the crops itself.
    `part` is `(rank, processes)`: of processes that share the work each gets its part of every batch, one after
    another; the last batch may leave nothing for the last ones. One epoch runs at a time: starting another stops it.
    Raises UserError for a beton that is damaged or whose images are too small.
    """

    def __init__(
        self,
        beton: Path,
        *,
        batch: int,
        crop: int,
        crops: Literal["one of ten", "centre", "ten"],
        shuffle: bool = False,
        seed: int = 0,
        rows: np.ndarray | None = None,
        part: tuple[int, int] = (0, 1),
        cut: bool = True,
        workers: int | None = None,
    ):
        sidecar = check(beton)
        if crop > sidecar.resize:
            raise UserError(f"{beton} holds {sidecar.resize}x{sidecar.resize} images; crops.size = {crop} is larger")
        self.beton = beton
        self.classes = sidecar.classes
        self.rows = np.arange(sidecar.count) if rows is None else np.asarray(rows, np.int64)
        # FFCV reads whatever lies at a place outside the beton
        if len(np.unique(self.rows)) != len(self.rows) or not np.isin(self.rows, np.arange(sidecar.count)).all():
            raise ValueError(f"rows must be different places in a beton of {sidecar.count} images")
        if batch < part[1]:
            raise ValueError(f"{part[1]} processes can't share batches of {batch} images")
        self.batch = batch
        self.part = part
        self.cut = cut
        self.side = sidecar.resize
        self.shuffle = shuffle
        self.seed = seed
        self.operation = CropOperation(crop, crops, seed)
        self.running: weakref.ref[GuardedEpoch] | None = None
        self.loader: Loader | None = Loader(
            str(beton),
            batch_size=len(self.mine(np.arange(batch))),
            num_workers=loader_threads(workers),
            os_cache=True,
            order=OrderOption.SEQUENTIAL,
            indices=self.rows,  # pyright: ignore[reportArgumentType]
            drop_last=False,
            pipelines={
                "image": [SimpleRGBImageDecoder(), *([self.operation] if cut else []), ToTensor()],
                "label": [IntDecoder(), ToTensor()],
                "id": [IntDecoder(), ToTensor()],
            },
        )

    @property
    def images(self) -> int:
        """How many images an epoch has, all parts together."""
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """The labels of the images, in the order of `rows`."""
        assert self.loader is not None, "closed"
        return self.loader.reader.metadata["f1"][self.rows]

    @property
    def ids(self) -> np.ndarray:
        """The ids of the images, in the order of `rows`."""
        assert self.loader is not None, "closed"
        return self.loader.reader.metadata["f2"][self.rows]

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-self.images // self.batch)

    def size(self, number: int) -> int:
        """How many images a batch has, from 0, all parts together."""
        return min(self.batch, self.images - number * self.batch)

    def mine(self, batch: np.ndarray) -> np.ndarray:
        """This process's part of a whole batch."""
        rank, processes = self.part
        return np.array_split(batch, processes)[rank]

    def order(self, epoch: int) -> np.ndarray:
        """The places in the beton in the order of an epoch."""
        if not self.shuffle:
            return self.rows
        return np.random.default_rng([self.seed, epoch]).permutation(self.rows)

    def parts(self, epoch: int) -> list[np.ndarray]:
        """The places in the beton of each batch of an epoch, of this process's part."""
        order = self.order(epoch)
        return [self.mine(order[first : first + self.batch]) for first in range(0, len(order), self.batch)]

    def numbers(self, rows: np.ndarray) -> Int64[Tensor, "batch"] | None:
        """Which crop each place shows in the epoch that runs; None: all ten."""
        return None if self.operation.crops == "ten" else torch.from_numpy(self.operation.numbers(rows))

    def epoch(self, epoch: int = 0) -> Generator[Batch, None, None]:
        """The batches of an epoch, or this process's part of them; leaving the loop early stops the loading.

        Raises RuntimeError when the loading thread fails, or gives other images than the epoch's, each once.
        """
        if self.loader is None:
            raise RuntimeError(f"the batches of {self.beton} are closed")
        self.stop()
        parts = self.parts(epoch)
        if not parts:
            return
        order = np.concatenate(parts)
        self.operation.epoch = epoch
        known_ids = self.loader.reader.metadata["f2"]
        start = 0
        with closing(GuardedEpoch(self.loader, order)) as batches:  # pyright: ignore[reportArgumentType]
            self.running = weakref.ref(batches)  # an epoch's buffers go with it
            for images, labels, ids in batches:
                rows = order[start : start + len(images)]
                start += len(images)
                if not np.array_equal(ids.squeeze(1).numpy(), known_ids[rows]):
                    raise RuntimeError(f"FFCV gave other images of {self.beton} than were asked for")
                columns = labels.squeeze(1).clone(), ids.squeeze(1).clone()
                yield Batch(kept(images), *columns, self.numbers(rows), whole=not self.cut)
        if start != len(order):
            raise RuntimeError(f"FFCV gave {start} of {len(order)} images of {self.beton}")
        if not len(parts[-1]):
            yield self.nothing()

    def nothing(self) -> Batch:
        """A batch of which nothing is left for this process."""
        none = torch.zeros(0, dtype=torch.int64)
        ten, side = self.operation.crops == "ten", self.operation.crop if self.cut else self.side
        images = torch.zeros((0, *([TEN] * (ten and self.cut)), side, side, 3), dtype=torch.uint8)
        return Batch(images, none, none, None if ten else none, whole=not self.cut)

    def stop(self) -> None:
        """Stops the epoch that runs, if one does, and waits for its thread to end."""
        batches = self.running() if self.running is not None else None
        if batches is not None:
            batches.close()

    def close(self) -> None:
        """Stops what runs and forgets the loader and its memory."""
        self.stop()
        self.loader = None

    def __enter__(self) -> "Batches":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
