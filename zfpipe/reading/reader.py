"""Batches of crops from a beton, loaded by FFCV with guards against its faults."""

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
from zfpipe.beton.decoding import decode_images, decode_numbers
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
    """Images of a beton: `(batch, y, x, 3)` with one crop each, or `(batch, 10, y, x, 3)`. The batch owns its memory.

    `crops` is the number of each image's crop, or None if all ten crops are there. If `whole` is true, `images` are the
    beton's squares `(batch, y, x, 3)`, and the crops must still be cut.
    """

    images: UInt8[Tensor, "batch *crop y x 3"]
    labels: Int64[Tensor, "batch"]
    ids: Int64[Tensor, "batch"]
    crops: Int64[Tensor, "batch"] | None
    whole: bool = False

    def one(self, place: int) -> "Batch":
        """Return a batch with only the image at `place`."""
        part = slice(place, place + 1)
        crops = None if self.crops is None else self.crops[part]
        return Batch(self.images[part], self.labels[part], self.ids[part], crops, self.whole)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # a wrapped function could not be compiled
def copy_crops(images, sources, tops, lefts, flips, crops):  # pragma: no cover - compiled
    """Copy a window of image `sources[i]` to `crops[i]`, flipped left to right if `flips[i]` is true."""
    size = crops.shape[1]
    for crop in numba.prange(len(crops)):
        top, left = tops[crop], lefts[crop]
        for y in range(size):
            # Bytes of a row instead of pixels: two to five times faster
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


class ImageDecoder(SimpleRGBImageDecoder):
    """Decodes images that all have the same size."""

    def generate_code(self) -> Any:
        """Return the function that FFCV calls for each batch."""
        return decode_images


class NumberDecoder(IntDecoder):
    """Decodes labels and ids."""

    def generate_code(self) -> Any:
        """Return the function that FFCV calls for each batch."""
        return decode_numbers


class CropOperation(Operation):
    """Cuts the chosen crops.

    Runs outside FFCV's compiled code, in which the epoch would be a constant. FFCV's own random operations are not
    used: their results differ from run to run.
    """

    def __init__(self, crop: int, crops: str, seed: int):
        super().__init__()
        self.crop = crop
        self.crops = crops
        self.seed = seed
        self.epoch = 0

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Return the crop of each row in this epoch. For "ten": all ten of the first row, then of the second, ..."""
        if self.crops == "ten":
            return np.tile(np.arange(TEN), len(rows))
        if self.crops == "centre":
            return np.full(len(rows), CENTRE, np.int64)
        return crop_number(self.seed, self.epoch, rows)

    def generate_code(self) -> Any:
        """Return the function that FFCV calls for each batch."""

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
        """Declare the shape of the crops."""
        one = (self.crop, self.crop, 3)
        shape = (TEN, *one) if self.crops == "ten" else one
        return replace(previous_state, shape=shape, jit_mode=False), AllocationQuery(shape, np.dtype("uint8"))


def kept(images: Tensor) -> Tensor:
    """Return a copy, because the loader reuses its memory. If a GPU is in use, the copy is in pinned memory."""
    return torch.empty_like(images, pin_memory=torch.cuda.is_initialized()).copy_(images)


class Batches:
    """The images of a beton in batches, epoch after epoch.

    The order (`shuffle`) and the crops ("one of ten") depend only on the seed, the epoch and the image's place in the
    beton. So neither changes with the number of workers, and crops do not change with the batch size. `rows` selects
    different places of the beton. If `cut` is false, the images stay whole and a GPU cuts the crops. `part` is `(rank,
    processes)`: each process gets its part of every batch; in the last batch the last parts may be empty. A new epoch
    stops the running epoch. Raises UserError if the beton is damaged or its images are too small.
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
        # FFCV does not check places and would read beyond the beton
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
                "image": [ImageDecoder(), *([self.operation] if cut else []), ToTensor()],
                "label": [NumberDecoder(), ToTensor()],
                "id": [NumberDecoder(), ToTensor()],
            },
        )

    @property
    def images(self) -> int:
        """Number of images of an epoch, in all processes together."""
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """Labels of the images, in the order of `rows`."""
        assert self.loader is not None, "closed"
        return self.loader.reader.metadata["f1"][self.rows]

    @property
    def ids(self) -> np.ndarray:
        """Ids of the images, in the order of `rows`."""
        assert self.loader is not None, "closed"
        return self.loader.reader.metadata["f2"][self.rows]

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.images // self.batch)

    def size(self, number: int) -> int:
        """Return the number of images of batch `number`, counted from 0, in all processes together."""
        return min(self.batch, self.images - number * self.batch)

    def mine(self, batch: np.ndarray) -> np.ndarray:
        """Return this process's part of a whole batch."""
        rank, processes = self.part
        return np.array_split(batch, processes)[rank]

    def order(self, epoch: int) -> np.ndarray:
        """Return the places in the beton, in the order of an epoch."""
        if not self.shuffle:
            return self.rows
        return np.random.default_rng([self.seed, epoch]).permutation(self.rows)

    def parts(self, epoch: int) -> list[np.ndarray]:
        """Return the places in the beton of each batch of an epoch, for this process."""
        order = self.order(epoch)
        return [self.mine(order[first : first + self.batch]) for first in range(0, len(order), self.batch)]

    def numbers(self, rows: np.ndarray) -> Int64[Tensor, "batch"] | None:
        """Return the crop of each place in the running epoch, or None for all ten crops."""
        return None if self.operation.crops == "ten" else torch.from_numpy(self.operation.numbers(rows))

    def epoch(self, epoch: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of an epoch for this process. Leaving the loop early stops the loading.

        Raises RuntimeError if the loading thread fails or returns other images than the epoch's.
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
            self.running = weakref.ref(batches)  # weak: the buffers go when the epoch ends
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
        """Return an empty batch, for a process without images in the last batch."""
        none = torch.zeros(0, dtype=torch.int64)
        ten, side = self.operation.crops == "ten", self.operation.crop if self.cut else self.side
        images = torch.zeros((0, *([TEN] * (ten and self.cut)), side, side, 3), dtype=torch.uint8)
        return Batch(images, none, none, None if ten else none, whole=not self.cut)

    def stop(self) -> None:
        """Stop the running epoch, if there is one, and wait for its thread to end."""
        batches = self.running() if self.running is not None else None
        if batches is not None:
            batches.close()

    def close(self) -> None:
        """Stop the running epoch and release the loader."""
        self.stop()
        self.loader = None

    def __enter__(self) -> "Batches":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
