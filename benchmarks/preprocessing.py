"""Time making 256x256 squares from JPEG files on one core: zfpipe's decoder beside torchvision's ImageFolder.

`python -m benchmarks.preprocessing [FOLDER]`: a folder of JPEG files, or drawn pictures enlarged to 500 x 500. Numbers
to quote need ImageNet's files. Both ways read from the page cache. Before the timing, no pixel may differ from Pillow's
by more than one grey level.
"""

import os
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks import harness, jpegs
from tests.writing.plain import plain_square
from zfpipe.writing.decode import square

SIDE, IMAGES, FULL = 256, 100, 500


def check(pictures: list[bytes]) -> None:
    """Fail if ours differs from Pillow's decoder and filter by more than a grey level. Print the difference."""
    apart = np.stack([np.abs(square(data, SIDE).astype(int) - plain_square(data, SIDE)) for data in pictures])
    harness.agree("preprocessing, grey levels from Pillow's beyond one", np.maximum(apart - 1, 0), np.zeros_like(apart))
    print(f"difference from Pillow's in grey levels: mean {apart.mean():.3f}, at most {apart.max()}")


def ours(files: list[Path]) -> float:
    for file in files:
        square(file.read_bytes(), SIDE)
    return len(files)


def theirs(folder: ImageFolder) -> float:
    """Make all squares by torchvision."""
    for place in range(len(folder)):
        np.asarray(folder[place][0])
    return len(folder)


def main() -> None:
    given = harness.arguments(__doc__)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "sets/class").mkdir(parents=True)
        files = jpegs.files(given.folder, root, FULL if given.full else IMAGES)
        for number, file in enumerate(files):
            (root / f"sets/class/{number}.jpg").symlink_to(file)
        check([file.read_bytes() for file in files])
        steps = transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE)])
        folder = ImageFolder(str(root / "sets"), steps)
        ways = {"ours": partial(ours, files), "ImageFolder, Resize, CenterCrop": partial(theirs, folder)}
        harness.compare("preprocessing on one core", "images", ways, rounds=15 if given.full else 5)


if __name__ == "__main__":
    main()
