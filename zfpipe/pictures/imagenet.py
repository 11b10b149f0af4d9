"""Read ImageNet 2012 as downloaded: the archives in place, folders of classes, or Kaggle's layout."""

import io
import re
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from tqdm import tqdm

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures.annotations import TABLES, Objects, first_box, parse_xml, read_objects, read_table
from zfpipe.pictures.files import class_folders, image_paths, image_size, is_image, listed
from zfpipe.pictures.jpeg import jpeg_size
from zfpipe.pictures.synsets import DEVKIT, WNID, class_names, read_devkit
from zfpipe.pictures.tar import Member, members
from zfpipe.sections import Pictures
from zfpipe.workers import worker_count

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
KAGGLE = "ILSVRC/Data/CLS-LOC"
MARKED = "ILSVRC/Annotations/CLS-LOC"
JPEG = re.compile(r"([^/.][^/]*)\.jpe?g", re.IGNORECASE)
HEAD = 4096
"""Number of first bytes of an image that nearly always include its width and height."""
BUFFER = 16384
"""Bytes read at a time: a member's header and the head of its image."""
AHEAD = 16
"""Places that each worker searches ahead of the index, which bounds the memory."""

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """A place of images relative to `root`: a folder, or the tar `name` that starts at a byte of a file.

    `marked` is a folder with the images' XML. At most `most` images are used, the first by name.
    """

    root: Path
    path: str
    offset: int | None = None
    size: int | None = None
    name: str = ""
    marked: str | None = None
    most: int | None = None


class Found(NamedTuple):
    """An image: its name without suffix, its file and place in it (bytes), width and height (pixels), its objects."""

    name: str
    path: str
    offset: int | None
    size: int | None
    width: int | None
    height: int | None
    objects: Objects | None


@dataclass(frozen=True)
class Layout:
    """The places of each class's training images, by WordNet id, and of the validation images.

    `truth` has the classes of validation images by name, or is None if each class has its own place, in id order.
    """

    train: dict[str, Place]
    val: list[Place]
    truth: dict[str, str] | None
    names: dict[str, str]


def entries(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield every image below `root`, training first, by class and name; labels follow the WordNet ids.

    Only the first `settings.classes` classes and `settings.per_class` training images of each are read. Raise
    UserError, in one line, if an archive is damaged, a file is missing, or a class lacks images in one split.
    """
    layout = recognise(root)
    wnids = sorted(layout.train)
    objects = read_objects(root)
    wanted = wnids[: settings.classes]
    places = [replace(layout.train[wnid], most=settings.per_class) for wnid in wanted]
    jobs = [*layout.val, *places]
    with closing(in_order(find, jobs)) as results:
        found = iter(tqdm(results, total=len(jobs), desc="index", leave=False, disable=None))
        val = by_class(root, layout, wnids, list(islice(found, len(layout.val))))
        for label, (wnid, images) in enumerate(zip(wanted, found, strict=True)):
            yield from class_entries("train", label, wnid, layout, images, objects)
    for label, wnid in enumerate(wanted):
        yield from class_entries("val", label, wnid, layout, val[wnid], objects)


def class_entries(
    split: str, label: int, wnid: str, layout: Layout, images: list[Found], objects: dict[str, Objects]
) -> Iterator[Entry]:
    """Yield the images of one class in one split."""
    class_name = layout.names.get(wnid, wnid)
    for name, path, offset, size, width, height, own in images:
        marked = own or objects.get(name)
        box = first_box(marked, wnid, width, height) if marked else None
        yield Entry(split, label, class_name, path, width, height, offset, size, box)


def recognise(root: Path) -> Layout:
    """Recognise the layout of `root`. Raise UserError if it is none of the three, or incomplete."""
    if not root.is_dir():
        raise UserError(f"pictures.root = {root} is not a folder; it must hold {TRAIN}, ILSVRC/, or train/ and val/")
    if (root / TRAIN).is_file():
        return archives(root)
    if (root / "ILSVRC").is_dir():
        return kaggle(root)
    if (root / "train").is_dir() or (root / "val").is_dir():
        return folders(root)
    raise UserError(
        f"pictures.root = {root} holds no ImageNet; it must hold {TRAIN} with {VAL} and {DEVKIT}, "
        "Kaggle's ILSVRC/, or train/ and val/ with a folder per class"
    )


def archives(root: Path) -> Layout:
    """Return the layout of image-net.org's three archives. Raise UserError if one is missing or damaged."""
    for name in (VAL, DEVKIT):
        if not (root / name).is_file():
            raise UserError(f"pictures.root = {root} holds {TRAIN} but not {name}; put it there too")
    devkit = read_devkit(root / DEVKIT)
    truth = {f"ILSVRC2012_val_{number:08d}": wnid for number, wnid in enumerate(devkit.truth, 1)}
    return Layout(class_tars(root), [Place(root, VAL, 0, (root / VAL).stat().st_size)], truth, devkit.names)


def class_tars(root: Path) -> dict[str, Place]:
    """Return the places of the class tars in the tar of training images, by WordNet id."""
    path = root / TRAIN
    tars: dict[str, Place] = {}
    others = 0
    with path.open("rb") as archive:
        for member in members(archive, str(path), 0, path.stat().st_size):
            wnid = member.name.removesuffix(".tar")
            if member.regular and member.name.endswith(".tar") and WNID.fullmatch(wnid):
                tars[wnid] = Place(root, TRAIN, member.offset, member.size, f": {member.name}")
            else:
                others += 1
    log_others(str(path), others)
    if not tars:
        raise UserError(f"{path} holds no tars of classes such as n01440764.tar; download it again")
    return tars


def folders(root: Path) -> Layout:
    """Return the layout of `train/` and `val/` with a folder for each class. Raise UserError if classes differ."""
    if (root / "val").is_dir() and any(is_image(path.name) for path in (root / "val").iterdir()):
        raise UserError(
            f"pictures.root = {root}: val/ holds images outside of class folders, as downloaded; sort them into a "
            f"folder per class, or put {TRAIN}, {VAL} and {DEVKIT} beside each other, which are read as they are"
        )
    classes = {split: class_folders(root / split) for split in ("train", "val")}
    for one, other in (("train", "val"), ("val", "train")):
        refuse_alone(root, set(classes[one]) - set(classes[other]), one, other)
    train = {wnid: Place(root, f"train/{wnid}") for wnid in classes["train"]}
    return Layout(train, [Place(root, f"val/{wnid}") for wnid in classes["val"]], None, class_names(root))


def kaggle(root: Path) -> Layout:
    """Return Kaggle's layout: training images by class, validation images in one folder, their classes in a table."""
    table = root / TABLES[1]
    for path, kind in ((root / KAGGLE / "val", "folder"), (table, "file")):
        if not path.exists():
            raise UserError(f"pictures.root = {root} holds ILSVRC/ but no {kind} {path.relative_to(root)}")
    truth = {name: objects.boxes[0][0] for name, objects in read_table(table).items()}
    train = {
        wnid: Place(root, f"{KAGGLE}/train/{wnid}", marked=f"{MARKED}/train/{wnid}")
        for wnid in class_folders(root / KAGGLE / "train")
    }
    return Layout(train, [Place(root, f"{KAGGLE}/val", marked=f"{MARKED}/val")], truth, class_names(root))


def by_class(root: Path, layout: Layout, wnids: list[str], found: list[list[Found]]) -> dict[str, list[Found]]:
    """Return each class's validation images; images of classes without training images are left out and counted.

    Raise UserError if images and ground truth differ, or if a class has no image.
    """
    if layout.truth is None:
        return dict(zip(wnids, found, strict=True))
    images = [image for place in found for image in place]
    refuse_difference(root, {image.name for image in images} ^ layout.truth.keys(), len(images), len(layout.truth))
    classes: dict[str, list[Found]] = {wnid: [] for wnid in wnids}
    for image in images:
        classes.setdefault(layout.truth[image.name], []).append(image)
    refuse_alone(root, {wnid for wnid in wnids if not classes[wnid]}, "train", "val")
    left_out = sum(len(classes[wnid]) for wnid in classes.keys() - layout.train.keys())
    if left_out:
        stage.log(f"{left_out} validation images left out: their classes have no training images")
    return classes


def refuse_difference(root: Path, alone: set[str], images: int, truths: int) -> None:
    """Raise UserError if the validation images and their ground truth are not of the same images."""
    if alone or images != truths:
        first = f", the first that is in one alone is {min(alone)!r}" if alone else ""
        raise UserError(
            f"pictures.root = {root}: {images} validation images, but the ground truth has {truths}{first}; "
            "both must be of the same images: download them again"
        )


def refuse_alone(root: Path, alone: set[str], one: str, other: str) -> None:
    """Raise UserError if a class is in one split only."""
    if alone:
        raise UserError(
            f"pictures.root = {root}: class {min(alone)} is in {one} but not in {other} "
            f"({len(alone)} such classes); both must hold the same classes"
        )


def find(place: Place) -> list[Found]:
    """Return the images at a place, sorted by name. Raise UserError if there are none, or the archive is damaged."""
    return in_folder(place) if place.offset is None else in_archive(place)


def in_folder(place: Place) -> list[Found]:
    """Return the images in a folder, with the objects in their XML if there is one."""
    marked = place.root / place.marked if place.marked else None
    found: list[Found] = []
    others: Counter[str] = Counter()
    paths = image_paths(place.root / place.path, others)
    if others:
        stage.log(f"{place.path}: {others.total():,} files passed over, not images by their suffix: {listed(others)}")
    for path in paths[: place.most]:
        xml = marked / f"{path.stem}.xml" if marked else None
        objects = parse_xml(xml.read_bytes(), str(xml)) if xml and xml.is_file() else None
        relative = path.relative_to(place.root).as_posix()
        found.append(Found(path.stem, relative, None, None, *image_size(path), objects))
    return found


def in_archive(place: Place) -> list[Found]:
    """Return the images in a tar; other members are counted and not read, and links are not followed."""
    assert place.offset is not None
    assert place.size is not None
    what = f"{place.root / place.path}{place.name}"
    images: dict[str, Member] = {}  # of two members with one name the later counts, as in unpacking
    others = 0
    with (place.root / place.path).open("rb", buffering=BUFFER) as archive:
        for member in members(archive, what, place.offset, place.offset + place.size):
            match = JPEG.fullmatch(member.name) if member.regular else None
            if match:
                images[match[1]] = member
            else:
                others += 1
        log_others(what, others)
        if not images:
            raise UserError(f"{what} holds no images (.JPEG); download it again")
        return [
            Found(name, place.path, images[name].offset, images[name].size, *pixels(archive, images[name]), None)
            for name in sorted(images)[: place.most]
        ]


def log_others(what: str, count: int) -> None:
    """Log how many members of an archive are not images of the set."""
    if count:
        stage.log(f"{what}: {count} members passed over (links, other files, or names with folders)")


def pixels(archive: BinaryIO, member: Member) -> tuple[int, int] | tuple[None, None]:
    """Read width and height of an image in an archive from its first bytes or all of it; None if unknown."""
    archive.seek(member.offset)
    size = jpeg_size(archive.read(min(HEAD, member.size)))
    if size is not None:
        return size
    archive.seek(member.offset)
    return image_size(io.BytesIO(archive.read(member.size)))


def in_order(function: Callable[[Job], Result], jobs: Iterable[Job]) -> Generator[Result, None, None]:
    """Yield a function's result for each job, in order, from `worker_count` processes; one worker is this process.

    Raise UserError if a process is killed.
    """
    workers = worker_count()
    if workers == 1:
        yield from map(function, jobs)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"))  # a fork would inherit locks held by other threads
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(function, job))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise UserError(
            "a process that reads ImageNet was killed (out of memory?); run with ZFPIPE_WORKERS=1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
