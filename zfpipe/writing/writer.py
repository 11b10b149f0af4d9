"""Write images of one split into a beton: decode in parallel, write in one fixed order from one thread."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from zfpipe import stage, store
from zfpipe.beton.guarded_ffcv import (
    ALLOC_TABLE_TYPE,
    CURRENT_VERSION,
    MIN_PAGE_SIZE,
    FieldDescType,
    HeaderType,
    IntField,
    MemoryAllocator,
    RGBImageField,
    encode_jpeg,
    get_metadata_type,
    handle_sample,
)
from zfpipe.beton.sidecar import FIELDS, MODES, Sidecar, check, checksum, write_sidecar
from zfpipe.errors import UserError
from zfpipe.sections import Betons
from zfpipe.workers import worker_count
from zfpipe.writing.decode import UnreadableImageError, decode_in_order

PAGE_SIZE = 4 * MIN_PAGE_SIZE


@dataclass(frozen=True)
class Rejected:
    """An image that could not be read."""

    id: int
    path: str
    reason: str


def write_beton(
    rows: pd.DataFrame,
    read: Callable[[str, int | None, int | None], bytes],
    settings: Betons,
    beton: Path,
    workers: int | None = None,
) -> Sidecar:
    """Write the images of one split with label and id, and next to the beton its sidecar and rejected images' list.

    `rows` are the split's rows of the index. `read` returns the bytes of an image by path, offset and size. The order
    is a permutation by `settings.seed`, so that any part of the beton is a random sample. An image that can't be read
    is listed and left out. Raise UserError if too many images, or all images of a class, are left out.
    """
    rows = rows.sort_values("id").iloc[np.random.default_rng(settings.seed).permutation(len(rows))]
    classes = class_names(rows, beton.stem)
    rejected: list[Rejected] = []
    counts = np.zeros(len(classes), np.int64)

    def samples() -> Iterator[tuple[np.ndarray, int, int]]:
        decoded = decode_in_order(rows, read, settings.resize, worker_count(workers), partial(encoded, settings))
        bar = tqdm(decoded, total=len(rows), desc=beton.stem, leave=False, disable=None)
        described = zip(rows["id"].tolist(), rows["label"].tolist(), rows["path"].tolist(), bar, strict=True)
        for image, label, path, found in described:
            if isinstance(found, UnreadableImageError):
                rejected.append(Rejected(image, path, str(found)))
                continue
            counts[label] += 1
            yield found, label, image

    with store.whole(beton) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the decoder warns of unusual images that it can read
            count = write_ffcv(temporary, samples(), len(rows), settings)
        listing = pd.DataFrame([vars(entry) for entry in rejected], columns=["id", "path", "reason"])
        store.save(beton.with_suffix(".rejected.csv"), listing.sort_values("id"))
        refuse_losses(beton, classes, counts, rejected, settings.max_rejected)
        sidecar = Sidecar(
            sha256=checksum(temporary),
            bytes=temporary.stat().st_size,
            count=count,
            rejected=len(rejected),
            classes=classes,
            resize=settings.resize,
            write_mode=settings.write_mode,
            versions={name: version(name) for name in ("ffcv", "numpy", "pillow", "simplejpeg")},
        )
        beton.unlink(missing_ok=True)  # so that an interruption never leaves an old beton with a new sidecar
        write_sidecar(sidecar, beton)
    check(beton)
    return sidecar


def encoded(settings: Betons, pixels: np.ndarray) -> np.ndarray:
    """Return a square image `(resize, resize, 3)` as the bytes that FFCV would store."""
    assert pixels.shape == (settings.resize, settings.resize, 3)
    assert pixels.dtype == np.uint8
    return encode_jpeg(pixels, settings.jpeg_quality) if settings.write_mode == "jpg" else pixels.reshape(-1)


class EncodedField(RGBImageField):
    """FFCV's image field for bytes that several threads have encoded, so that the writing thread need not encode."""

    def __init__(self, settings: Betons):
        super().__init__(write_mode=settings.write_mode)
        self.side = settings.resize

    def encode(self, destination: np.ndarray, image: np.ndarray, malloc: Callable[..., Any]) -> None:
        """Write an image into its page, and its place into its row of metadata."""
        destination["mode"] = MODES[self.write_mode]
        destination["height"] = destination["width"] = self.side
        destination["data_ptr"], storage = malloc(image.nbytes)
        storage[:] = image


def class_names(rows: pd.DataFrame, split: str) -> list[str]:
    """Return class names in the order of labels 0, 1, ... Raise UserError if a class has no image."""
    names = {int(label): str(name) for label, name in zip(rows["label"], rows["class"], strict=True)}
    if not names:
        raise UserError(f"{split}: the index has no images; each class needs at least one in this split")
    for label in range(max(names)):
        if label not in names:
            raise UserError(f"{split}: the index has no image with label {label}; each class needs at least one")
    return [names[label] for label in sorted(names)]


def refuse_losses(
    beton: Path, classes: list[str], counts: np.ndarray, rejected: list[Rejected], max_rejected: float
) -> None:
    """Raise UserError if too many images, or all images of a class, could not be read."""
    total = int(counts.sum()) + len(rejected)
    first = f"the first: {rejected[0].path}: {rejected[0].reason}" if rejected else ""
    if len(rejected) > max_rejected * total:
        raise UserError(
            f"{beton.stem}: {len(rejected)} of {total} images can't be read ({first}); "
            f"betons.max_rejected = {max_rejected:g} allows {int(max_rejected * total)}; "
            f"mend or remove them ({beton.with_suffix('.rejected.csv')}), or allow more"
        )
    empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if empty:
        raise UserError(
            f"{beton.stem}: no image of class {empty[0]} can be read ({first}); each class needs at least one"
        )


def write_ffcv(path: Path, samples: Iterator[tuple[np.ndarray, int, int]], most: int, settings: Betons) -> int:
    """Write samples of encoded images in FFCV's format, and return their number, at most `most`.

    FFCV's own writer uses several processes: with two, bytes differ between runs; after an exception in one, the writer
    waits for ever; if killed, it leaves shared memory. This function fills the same structures in this process.
    """
    fields = {
        "image": EncodedField(settings),
        "label": IntField(),
        "id": IntField(),
    }
    metadata = np.zeros(most, get_metadata_type(list(fields.values())))
    descriptors = np.zeros(len(fields), FieldDescType)
    for descriptor, (name, field) in zip(descriptors, fields.items(), strict=True):
        descriptor["type_id"] = FIELDS[name]
        descriptor["name"][: len(name)] = np.frombuffer(name.encode("ascii"), np.uint8)
        descriptor["arguments"][:] = field.to_binary()[0]
    header = np.zeros(1, HeaderType)[0]
    header["version"], header["num_fields"], header["page_size"] = CURRENT_VERSION, len(FIELDS), PAGE_SIZE
    start = header.nbytes + descriptors.nbytes
    path.write_bytes(header.tobytes() + descriptors.tobytes())
    allocator = MemoryAllocator(path, start + metadata.nbytes, PAGE_SIZE)
    count = 0
    with allocator:
        for sample in samples:
            handle_sample(sample, count, metadata.dtype.names, metadata, allocator, fields)
            count += 1
    with path.open("r+b") as file:
        header["num_samples"] = count
        header["alloc_table_ptr"] = file.seek(0, 2)
        file.write(np.array(allocator.allocations, ALLOC_TABLE_TYPE).tobytes())
        file.seek(0)
        file.write(header.tobytes() + descriptors.tobytes() + metadata.tobytes())
    return count


def without(rows: pd.DataFrame, lists: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of a training set that no list names. Raise UserError if none are left."""
    listed = [image for path in lists for image in store.load(path)["id"]]
    names = ", ".join(map(str, lists))
    left = rows.iloc[np.flatnonzero(~np.isin(rows["id"].to_numpy(), listed))]
    if left.empty:
        raise UserError(f"{names}: every training image; raise overlap.threshold, or set overlap.exclude = false")
    if len(left) < len(rows):
        stage.log(f"{len(rows) - len(left)} training images left out: they stand in another set too ({names})")
    return left
