"""Choose the reader of an image set by its name in `pictures.source`; sets are read in place."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from zfpipe import stage
from zfpipe.drawing import archive
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures import caltech, folder, imagenet, imagenette, tiny_imagenet, voc
from zfpipe.pictures.files import within
from zfpipe.pictures.parts import read_parts, with_parts
from zfpipe.sections import OtherSet, Pictures


class Source(Protocol):
    """A function that finds every image of a set, training first; labels number the class names in their order.

    It raises UserError, in one line, if the layout below `root` is not as expected.
    """

    def __call__(self, root: Path, settings: Pictures) -> Iterable[Entry]:
        """Return the images below `root`."""
        ...


SOURCES: dict[str, Source] = {
    "generated": archive.entries,
    "folder": folder.entries,
    "imagenet": imagenet.entries,
    "tiny-imagenet": tiny_imagenet.entries,
    "imagenette": imagenette.entries,
    "caltech101": caltech.caltech101,
    "caltech256": caltech.caltech256,
    "voc2012": voc.entries,
}


def found(pictures: Pictures) -> Iterator[Entry]:
    """Yield a set's images as the parameters ask: with a user's parts, and possibly only some classes."""
    entries = SOURCES[pictures.source](pictures.base, pictures)
    if pictures.parts is not None:
        entries = with_parts(entries, read_parts(within(Path(pictures.root), pictures.parts, "pictures.parts")))
    return limited(entries, pictures)


def whole(other: OtherSet, pictures: Pictures) -> Iterable[Entry]:
    """Return all images of another set with its clutter, split by the rules of `pictures`."""
    settings = pictures.model_copy(update={"clutter": True, "classes": None, "per_class": None})
    return SOURCES[other.source](Path(other.root), settings)


def limited(entries: Iterable[Entry], settings: Pictures) -> Iterator[Entry]:
    """Yield entries of the first `settings.classes` classes, with `settings.per_class` training images of each.

    Images whose objects are all marked difficult are left out and counted, since their labels can't be trusted. Raise
    UserError if the set has fewer classes, or only one.
    """
    counts: Counter[int] = Counter()
    left_out = 0
    for entry in entries:
        if entry.labels == ():
            left_out += 1
            continue
        if settings.classes is not None and entry.label >= settings.classes:
            continue
        if entry.split == "train" and settings.per_class is not None and counts[entry.label] >= settings.per_class:
            continue
        counts[entry.label] += 1
        if entry.labels is not None and settings.classes is not None:
            entry = replace(entry, labels=tuple(label for label in entry.labels if label < settings.classes))
        yield entry
    if left_out:
        stage.log(f"{left_out} images left out: all their objects are marked difficult")
    if settings.classes is None and len(counts) == 1:
        raise UserError(f"pictures.root = {settings.root} holds one class alone; must be two or more")
    if settings.classes is not None and len(counts) < settings.classes:
        raise UserError(f"pictures.classes = {settings.classes}; must be at most {len(counts)}, all the set's classes")
