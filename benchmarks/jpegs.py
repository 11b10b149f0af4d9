"""Provide JPEG files to measure with: a folder's files, or drawn pictures enlarged to about ImageNet's size."""

from pathlib import Path

import cv2
from tqdm import tqdm

from zfpipe.drawing.picture import draw

SIDE = 500


def files(folder: Path | None, root: Path, count: int) -> list[Path]:
    """Return `count` files of `folder`, repeated if there are fewer, or `count` pictures drawn into `root`."""
    if folder is not None:
        found = sorted(path.absolute() for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
        return [found[number % len(found)] for number in range(count)]
    for number in tqdm(range(count), desc="pictures", leave=False, disable=None):
        pixels = cv2.resize(draw(0, "train", number).pixels, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(root / f"drawn{number}.jpg"), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return [root / f"drawn{number}.jpg" for number in range(count)]
