"""Time loading of random mirrored crops of 224, in shuffled batches of 256, from JPEG files and from betons.

`python -m benchmarks.loader [FOLDER]`: a folder of JPEG files, or drawn pictures enlarged to 500 x 500. Ours and FFCV's
own crop and flip read a raw beton and a beton of JPEGs. torchvision's ImageFolder with DataLoader, which has a worker
for each core, reads the files, and smaller files of 256 x 256. Before the timing, ours and FFCV's centre crops must be
the same pixels.
"""

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from ffcv.fields.rgb_image import CenterCropRGBImageDecoder
from ffcv.transforms import RandomHorizontalFlip
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks import harness, jpegs
from zfpipe.beton.guarded_ffcv import Loader, OrderOption, ToTensor
from zfpipe.reading.reader import Batches
from zfpipe.sections import Betons
from zfpipe.workers import share_of_cores
from zfpipe.writing.writer import write_beton

IMAGES, FULL, SIDE, CROP, BATCH = 1024, 4096, 256, 224, 256


def prepare(root: Path, pictures: list[Path]) -> None:
    """Write two folders for torchvision, of the files and of smaller files, and two betons."""
    for kind in ("files", "small"):
        (root / kind / "class").mkdir(parents=True)
    count = len(pictures)
    rows = pd.DataFrame({"id": range(count), "label": 0, "class": "class", "path": [str(path) for path in pictures]})
    rows["offset"] = rows["size"] = pd.array([None] * count, pd.Int64Dtype())
    for mode in ("raw", "jpg"):
        settings = Betons(resize=SIDE, write_mode=mode, jpeg_quality=90, max_rejected=0.0, seed=0)
        write_beton(rows, lambda path, offset, size: Path(path).read_bytes(), settings, root / f"{mode}.beton")
    with Batches(root / "raw.beton", batch=BATCH, crop=SIDE, crops="centre") as batches:
        for batch in batches.epoch():
            for image, pixels in zip(batch.ids.tolist(), batch.images.numpy(), strict=True):
                (root / "files" / "class" / f"{image}.jpg").symlink_to(pictures[image])
                small = np.ascontiguousarray(pixels[:, :, ::-1])
                cv2.imwrite(str(root / "small" / "class" / f"{image}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 90])


def ours(batches: Batches) -> float:
    """Run an epoch of ours; return its number of images."""
    return sum(len(batch.images) for batch in batches.epoch(1))


def theirs(loader: Iterable[tuple[torch.Tensor, ...]]) -> float:
    """Run an epoch of FFCV's or torch's loader; return its number of images."""
    return sum(len(images) for images, *_ in loader)


def ffcv(beton: Path, workers: int, random: bool) -> Loader:
    """Return FFCV's own loader, which cuts the centre, since FFCV has no random crop without resizing."""
    decoder = CenterCropRGBImageDecoder((CROP, CROP), ratio=CROP / SIDE)
    return Loader(
        str(beton),
        batch_size=BATCH,
        num_workers=workers,
        os_cache=True,
        order=OrderOption.RANDOM if random else OrderOption.SEQUENTIAL,
        drop_last=False,
        pipelines={
            "image": [decoder, *([RandomHorizontalFlip()] if random else []), ToTensor()],
            "label": None,  # pyright: ignore[reportArgumentType]
            "id": None,  # pyright: ignore[reportArgumentType]
        },
    )


def torchvision(folder: Path, workers: int, small: bool) -> DataLoader[tuple[torch.Tensor, int]]:
    """Return the loader that most people write, without subtraction of the mean: images stay uint8."""
    steps = [] if small else [transforms.Resize(SIDE)]
    steps += [transforms.RandomCrop(CROP), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
    dataset = ImageFolder(str(folder), transforms.Compose(steps))
    return DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=True)


def check(beton: Path, workers: int) -> None:
    """Fail if our centre crops differ from FFCV's."""
    with Batches(beton, batch=BATCH, crop=CROP, crops="centre") as centre:
        for batch, (images, *_) in zip(centre.epoch(), ffcv(beton, workers, random=False), strict=True):
            harness.agree("loader, centre crops", batch.images.numpy(), images.numpy())


def main() -> None:
    given, workers = harness.arguments(__doc__), share_of_cores(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        prepare(root, jpegs.files(given.folder, root, FULL if given.full else IMAGES))
        raw, jpg = root / "raw.beton", root / "jpg.beton"
        check(raw, workers)
        options = {"batch": BATCH, "crop": CROP, "crops": "one of ten", "shuffle": True, "workers": workers}
        with Batches(raw, **options) as our_raw, Batches(jpg, **options) as our_jpg:
            ways = {
                "ours, raw beton": partial(ours, our_raw),
                "ours, beton of JPEGs": partial(ours, our_jpg),
                "FFCV's transforms, raw beton": partial(theirs, ffcv(raw, workers, random=True)),
                "FFCV's transforms, beton of JPEGs": partial(theirs, ffcv(jpg, workers, random=True)),
                "ImageFolder + DataLoader, files": partial(theirs, torchvision(root / "files", workers, False)),
                "ImageFolder + DataLoader, 256 x 256 JPEGs": partial(
                    theirs, torchvision(root / "small", workers, True)
                ),
            }
            harness.compare("loader", "images", ways)


if __name__ == "__main__":
    main()
