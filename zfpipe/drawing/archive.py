"""Draw the embedded pictures into one uncompressed tar for each split; the number of processes changes no byte."""

import io
import tarfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from zfpipe import store
from zfpipe.drawing.picture import draw
from zfpipe.drawing.sets import SETS
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.sections import Pictures
from zfpipe.workers import worker_count

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
CHUNK = 25
"""Number of pictures that a process draws at a time."""

Job = tuple[int, str, range, str]
"""Seed, split, numbers and set of some pictures."""
Drawn = tuple[bytes, Entry]
"""A picture as JPEG, and its entry in the index, without its place in the tar."""


def entries(root: Path, settings: Pictures) -> list[Entry]:
    """Draw the training and validation pictures of the source `generated` into `root`."""
    return draw_all(settings.seed, {"train": settings.train, "val": settings.val}, root)


def draw_all(
    seed: int, counts: dict[str, int], folder: Path, workers: int | None = None, which: str = "pictures"
) -> list[Entry]:
    """Draw the pictures of every split of a set into `folder`, and return their entries in the index.

    `workers` processes share the work, by default ZFPIPE_WORKERS or one for each core. Raise UserError if there are
    fewer pictures than classes, or if a process dies.
    """
    classes = len(SETS[which])
    for split, count in counts.items():
        if count < classes:
            raise UserError(f"{which}.{split} = {count}; must be at least {classes}, so that each class has one")
    # Spawned, not forked: a fork would inherit locks held by other threads
    pool = ProcessPoolExecutor(worker_count(workers), get_context("spawn"), cv2.setNumThreads, (1,))
    try:
        return [
            entry for split, count in counts.items() for entry in draw_split(pool, seed, split, count, folder, which)
        ]
    except BrokenProcessPool:
        raise UserError(
            "a process that draws pictures was killed (out of memory?); run again, with fewer: ZFPIPE_WORKERS=1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def draw_split(
    pool: ProcessPoolExecutor, seed: int, split: str, count: int, folder: Path, which: str = "pictures"
) -> list[Entry]:
    """Draw one split into its tar, in the order of the numbers, whichever process draws them."""
    entries: list[Entry] = []
    jobs: list[Job] = [
        (seed, split, range(start, min(start + CHUNK, count)), which) for start in range(0, count, CHUNK)
    ]
    bar = tqdm(total=count, desc=split, leave=False, disable=None)
    with bar, store.whole(folder / f"{split}.tar") as temporary, tarfile.open(temporary, "w") as archive:
        for job, pictures in zip(jobs, pool.map(draw_some, jobs), strict=True):
            for number, (jpeg, entry) in zip(job[2], pictures, strict=True):
                entries.append(append(archive, number, jpeg, entry))
            bar.update(len(pictures))
    return entries


def draw_some(job: Job) -> list[Drawn]:
    """Draw and encode some pictures."""
    seed, split, numbers, which = job
    drawn: list[Drawn] = []
    for number in numbers:
        picture = draw(seed, split, number, which)
        mask = cv2.imencode(
            ".png", np.where(picture.mask >= 0.5, 255, 0).astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1]
        )
        jpeg = cv2.imencode(".jpg", picture.pixels[:, :, ::-1], QUALITY)
        height, width = picture.mask.shape
        entry = Entry(
            split,
            picture.label,
            SETS[which][picture.label],
            f"{split}.tar",
            width,
            height,
            box=picture.box,
            mask=mask[1].tobytes(),
            parts=picture.parts,
            labels=picture.labels,
        )
        drawn.append((jpeg[1].tobytes(), entry))
    return drawn


def append(archive: tarfile.TarFile, number: int, jpeg: bytes, entry: Entry) -> Entry:
    """Add a picture to a tar; return its entry with its place in the file."""
    member = tarfile.TarInfo(f"{entry.class_name}/{number:06d}.jpg")
    member.size = len(jpeg)
    start = archive.offset + tarfile.BLOCKSIZE  # one header block, then the bytes
    archive.addfile(member, io.BytesIO(jpeg))
    return replace(entry, offset=start, size=len(jpeg))
