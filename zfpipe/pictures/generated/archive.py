"""The embedded pictures on disk: one uncompressed tar a split, drawn by several processes, the same for any number."""

import io
import os
import tarfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.pictures.generated.picture import CLASSES, class_of, draw
from zfpipe.pictures.index import Box, Entry

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
CHUNK = 25
"""Pictures drawn by a process at a time."""

Drawn = tuple[bytes, tuple[int, int], Box, bytes, dict[str, Box]]
"""A picture as JPEG, its width and height, the object's box and mask (PNG), boxes of parts."""


def draw_all(seed: int, counts: dict[str, int], folder: Path) -> list[Entry]:
    """Draws the pictures of every split into `folder` and returns their entries in the index.

    ZFPIPE_WORKERS processes (default: all cores) share the work. Raises UserError when one of them dies.
    """
    workers = int(os.environ.get("ZFPIPE_WORKERS", os.cpu_count() or 1))
    entries: list[Entry] = []
    with ProcessPoolExecutor(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for split, count in counts.items():
            starts = range(0, count, CHUNK)
            jobs = [(seed, split, range(start, min(start + CHUNK, count))) for start in starts]
            bar = tqdm(total=count, desc=split, leave=False, disable=None)
            with bar, stage.whole(folder / f"{split}.tar") as temporary, tarfile.open(temporary, "w") as archive:
                try:
                    for job, pictures in zip(jobs, pool.map(draw_some, jobs), strict=True):
                        for number, picture in zip(job[2], pictures, strict=True):
                            entries.append(append(archive, split, number, picture))
                        bar.update(len(pictures))
                except BrokenProcessPool:
                    raise UserError(
                        "a process that draws pictures was killed (out of memory?); run again, with fewer: ZFPIPE_WORKERS=1"
                    ) from None
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
