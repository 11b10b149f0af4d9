"""The embedded pictures on disk: one uncompressed tar a split, drawn by several processes, the same for any number."""

import io
import tarfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.pictures.generated.picture import CLASSES, class_of, draw
from zfpipe.pictures.index import Box, Entry
from zfpipe.workers import worker_count

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
CHUNK = 25
"""Pictures drawn by a process at a time."""

Drawn = tuple[bytes, tuple[int, int], Box, bytes, dict[str, Box]]
"""A picture as JPEG, its width and height, the object's box and mask (PNG), boxes of parts."""


def draw_all(seed: int, counts: dict[str, int], folder: Path, workers: int | None = None) -> list[Entry]:
    """Draws the pictures of every split into `folder` and returns their entries in the index.

    `workers` processes share the work, by default ZFPIPE_WORKERS or one for each core. Raises UserError when there are
    fewer pictures than classes, or when one of the processes dies.
    """
    for split, count in counts.items():
        if count < len(CLASSES):
            raise UserError(f"pictures.{split} = {count}; must be at least {len(CLASSES)}, so that each class has one")
    # Spawned, not forked: a fork would inherit the locks of threads that it doesn't have
    pool = ProcessPoolExecutor(worker_count(workers), get_context("spawn"), cv2.setNumThreads, (1,))
    try:
        return [entry for split, count in counts.items() for entry in draw_split(pool, seed, split, count, folder)]
    except BrokenProcessPool:
        raise UserError(
            "a process that draws pictures was killed (out of memory?); run again, with fewer: ZFPIPE_WORKERS=1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def draw_split(pool: ProcessPoolExecutor, seed: int, split: str, count: int, folder: Path) -> list[Entry]:
    """Draws one split into its tar, in the order of the numbers, whoever drew them."""
    entries: list[Entry] = []
    jobs = [(seed, split, range(start, min(start + CHUNK, count))) for start in range(0, count, CHUNK)]
    bar = tqdm(total=count, desc=split, leave=False, disable=None)
    with bar, stage.whole(folder / f"{split}.tar") as temporary, tarfile.open(temporary, "w") as archive:
        for job, pictures in zip(jobs, pool.map(draw_some, jobs), strict=True):
            for number, picture in zip(job[2], pictures, strict=True):
                entries.append(append(archive, split, number, picture))
            bar.update(len(pictures))
    return entries


def draw_some(job: tuple[int, str, range]) -> list[Drawn]:
    """Draws and encodes a few pictures."""
    seed, split, numbers = job
    drawn: list[Drawn] = []
    for number in numbers:
        picture = draw(seed, split, number)
        mask = cv2.imencode(
            ".png", np.where(picture.mask >= 0.5, 255, 0).astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1]
        )
        jpeg = cv2.imencode(".jpg", picture.pixels[:, :, ::-1], QUALITY)
        height, width = picture.mask.shape
        drawn.append((jpeg[1].tobytes(), (width, height), picture.box, mask[1].tobytes(), picture.parts))
    return drawn


def append(archive: tarfile.TarFile, split: str, number: int, picture: Drawn) -> Entry:
    """Adds a picture to a tar; its entry says where in the file it lies."""
    jpeg, (width, height), box, mask, parts = picture
    label = class_of(number)
    name = CLASSES[label]
    member = tarfile.TarInfo(f"{name}/{number:06d}.jpg")
    member.size = len(jpeg)
    start = archive.offset + tarfile.BLOCKSIZE  # one header block, then the bytes
    archive.addfile(member, io.BytesIO(jpeg))
    return Entry(split, label, name, f"{split}.tar", width, height, start, len(jpeg), box, mask, parts)
