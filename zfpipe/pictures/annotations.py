"""Read ImageNet's object boxes, from XML as in PASCAL VOC or from Kaggle's tables.

Pixels count from 0, and a box includes its last pixels: many boxes start at 0, and a box at an image's right edge ends
at the width minus 1 (`n03481172 131 0 499 254`, 500 pixels wide). PASCAL VOC's own boxes count from 1.
"""

import csv
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from zfpipe.errors import UserError
from zfpipe.index.images import Box
from zfpipe.pictures.synsets import WNID
from zfpipe.pictures.tar import zipped_files

ARCHIVES = (
    "ILSVRC2012_bbox_train_v2.tar.gz",
    "ILSVRC2012_bbox_train_dogs.tar.gz",
    "ILSVRC2012_bbox_val_v3.tgz",
)
TABLES = ("LOC_train_solution.csv", "LOC_val_solution.csv")
LARGEST = 2**20
"""Maximum size of an image's XML in bytes."""
XML = re.compile(r"(?:.*/)?([^/]+)\.xml")
SIDES = ("xmin", "ymin", "xmax", "ymax")

Corners = tuple[float, float, float, float]
"""First and last pixel inside, from 0: xmin, ymin, xmax, ymax."""


class Objects(NamedTuple):
    """The objects in an image with their class (for some dogs, the class's name), and the image size at the marking.

    The size is width and height in pixels, or None for the image's own size.
    """

    boxes: tuple[tuple[str, Corners], ...]
    size: tuple[float, float] | None = None


def first_box(objects: Objects, wnid: str, width: int | None, height: int | None) -> Box | None:
    """Return a class's first object in pixels of an image `width` x `height`, or None if it is missing or empty.

    A name that is no WordNet id counts as the image's class: many dogs are called `Scottish_deerhound`.
    """
    corners = next((box for name, box in objects.boxes if name == wnid or not WNID.fullmatch(name)), None)
    if corners is None or width is None or height is None:
        return None
    across, down = objects.size or (width, height)
    x0, x1 = (min(max(x * width / across, 0), width) for x in (corners[0], corners[2] + 1))
    y0, y1 = (min(max(y * height / down, 0), height) for y in (corners[1], corners[3] + 1))
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def read_objects(root: Path) -> dict[str, Objects]:
    """Return the objects in the archives and tables of `root`, by the image's name without suffix."""
    found: dict[str, Objects] = {}
    for name in TABLES:
        if (root / name).is_file():
            found.update(read_table(root / name))
    for name in ARCHIVES:
        if (root / name).is_file():
            for match, data in zipped_files(root / name, XML, LARGEST):
                found[match[1]] = parse_xml(data, f"{root / name}: {match[0]!r}")
    return found


def parse_xml(data: bytes, what: str) -> Objects:
    """Return the objects that an XML lists. Raise UserError, which names the XML as `what`, if it is damaged."""
    try:
        tree = parse(data)
        size = tree.find("size")
        boxes = tuple(
            (sys.intern(thing.findtext("name") or ""), corners([box.findtext(side) for side in SIDES]))
            for thing in tree.iter("object")
            for box in thing.iter("bndbox")
        )
        return Objects(boxes, None if size is None else marked_size(size))
    except (ElementTree.ParseError, ValueError, TypeError, LookupError) as error:
        raise UserError(f"{what} is damaged ({' '.join(str(error).split())}); download it again") from None


def parse(data: bytes) -> ElementTree.Element:
    """Return the tree of an XML file. Raise ParseError, or ValueError for a DOCTYPE (entities) or if it is not UTF-8.

    The parser ignores a declared encoding if it gets text, but it would still detect UTF-16 by its zero bytes.
    """
    text = data.decode()
    if "\0" in text or "<!DOCTYPE" in text:
        raise ValueError("not UTF-8, or with a DOCTYPE")
    return ElementTree.fromstring(text)


def marked_size(size: ElementTree.Element) -> tuple[float, float] | None:
    """Return width and height of an image at its marking, or None if the file says 0, as some files do."""
    width, height = (finite(size.findtext(side)) for side in ("width", "height"))
    return (width, height) if width > 0 and height > 0 else None


def corners(texts: list[str | None]) -> Corners:
    """Return the four numbers of a box. Raise ValueError for others."""
    x0, y0, x1, y1 = (finite(text) for text in texts)
    return x0, y0, x1, y1


def finite(text: str | None) -> float:
    """Return a finite number. Raise ValueError for other text."""
    number = float(text or "nan")
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def read_table(path: Path) -> dict[str, Objects]:
    """Read Kaggle's table of a split: `ImageId,PredictionString`, each object being `wnid xmin ymin xmax ymax`."""
    found: dict[str, Objects] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            for image, objects in list_of_two(rows):
                words = objects.split()
                if not words or len(words) % 5:
                    raise ValueError(f"{objects[:40]!r} is no list of a class and four numbers")
                groups = [words[first : first + 5] for first in range(0, len(words), 5)]
                found[image] = Objects(tuple((sys.intern(wnid), corners([*sides])) for wnid, *sides in groups))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}, line {rows.line_num}: {error}; download it again") from None
    return found


def list_of_two(rows: Iterator[list[str]]) -> Iterator[tuple[str, str]]:
    """Yield the rows below the head. Raise ValueError for another head, or a row without exactly two columns."""
    if next(rows, None) != ["ImageId", "PredictionString"]:
        raise ValueError("the first line must be ImageId,PredictionString")
    for row in rows:
        if len(row) != 2:
            raise ValueError(f"{len(row)} columns; must be 2")
        yield row[0], row[1]
