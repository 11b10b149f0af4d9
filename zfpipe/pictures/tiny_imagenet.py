"""Read Tiny-ImageNet in its own layout: 64 x 64 pixels, an object box for every image."""

import re
from collections.abc import Iterator
from pathlib import Path

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.index.images import Box, Entry
from zfpipe.pictures.files import class_folders, image_paths, image_size, walk
from zfpipe.pictures.synsets import first_words
from zfpipe.sections import Pictures

SIDE = re.compile("[0-9]{1,4}")
"""A pixel's coordinate in a picture."""


def entries(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield every image below `root`, training first; labels follow WordNet ids, names are the first of `words.txt`.

    Boxes include their last pixel (64 pixels end at 63). Validation images without an annotation, or of classes without
    training images, are left out and counted. Raise UserError, in one line, if the layout is not as expected.
    """
    if not (root / "val/images").is_dir():
        raise UserError(
            f"pictures.root = {root} has no folder val/images; it must hold Tiny-ImageNet as it is unpacked. Where "
            "val/ holds a folder per class, set pictures.source to imagenet or folder"
        )
    wnids = class_folders(root / "train")
    names = class_names(root, wnids)
    for label, wnid in enumerate(wnids):
        folder = root / "train" / wnid
        boxes = {name: box(sides) for name, *sides in table(folder / f"{wnid}_boxes.txt", 5)}
        for path in image_paths(folder):
            yield entry(root, path, "train", label, names[wnid], boxes.get(path.name))
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    rows = table(root / "val" / "val_annotations.txt", 6)
    known = sorted((labels[wnid], name, sides) for name, wnid, *sides in rows if wnid in labels)
    absent = sorted(set(wnids) - {wnid for _, wnid, *_ in rows})
    if absent:
        raise UserError(f"{root / 'val/val_annotations.txt'} names no image of class {absent[0]}, which train/ holds")
    if len(known) < len(rows):
        stage.log(f"{len(rows) - len(known)} validation images left out: their classes have no training images")
    alone = {path.name for files in walk(root / "val" / "images") for path in files} - {name for name, *_ in rows}
    if alone:
        stage.log(f"{len(alone)} files in val/images passed over: val_annotations.txt does not name them")
    for label, name, sides in known:
        yield entry(root, root / "val" / "images" / name, "val", label, names[wnids[label]], box(sides))


def entry(root: Path, path: Path, split: str, label: int, name: str, found: Box | None) -> Entry:
    """Return the entry of one image."""
    return Entry(split, label, name, path.relative_to(root).as_posix(), *image_size(path), box=found)


def class_names(root: Path, wnids: list[str]) -> dict[str, str]:
    """Return names by WordNet id; an id that is not in `words.txt` is its own name."""
    words: dict[str, str] = {}
    if (root / "words.txt").is_file():
        words = {row[0]: row[1] for row in table(root / "words.txt", 2) if row[0] in set(wnids)}
    return first_words({wnid: words.get(wnid, wnid) for wnid in wnids})


def table(path: Path, columns: int) -> list[list[str]]:
    """Return the rows of a tab-separated file. Raise UserError if it is missing or has other columns."""
    if not path.is_file():
        raise UserError(f"{path} not found; pictures.root must hold Tiny-ImageNet as it is unpacked")
    rows: list[list[str]] = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        row = line.split("\t")
        if len(row) == columns and Path(row[0]).name == row[0] and (columns == 2 or is_box(row[-4:])):
            rows.append(row)
        elif line.strip():
            what = f"{columns} columns" + (", the last four a box" if columns > 2 else "")
            raise UserError(f"{path}, line {number}: {' '.join(row)[:40]!r}; must have {what}; download again")
    return rows


def is_box(sides: list[str]) -> bool:
    """Return whether four texts are the first and last pixel of a box."""
    if not all(SIDE.fullmatch(side) for side in sides):
        return False
    x0, y0, x1, y1 = (int(side) for side in sides)
    return x0 <= x1 and y0 <= y1


def box(sides: list[str]) -> Box:
    """Return a box from its first and last pixel inside."""
    x0, y0, x1, y1 = (float(side) for side in sides)
    return Box(x0, y0, x1 + 1, y1 + 1)
