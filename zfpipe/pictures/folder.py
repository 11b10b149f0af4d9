"""Your own images: a folder per class, in `train/` and `val/` (ImageFolder) or in the root itself."""

from collections.abc import Iterator
from pathlib import Path

from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.params import Pictures
from zfpipe.pictures.files import class_folders, image_paths, image_size
from zfpipe.pictures.split import split_classes


def entries(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Every image below `root`, training first, in the order of classes and names; labels follow the class names.

    With neither `train/` nor `val/` below it, the root's own folders, at least two, are the classes, and
    `settings.val_share` of each is for validation. Raises UserError, in one line, when the layout is not as expected.
    """
    if not root.is_dir():
        raise UserError(f"pictures.root = {root} is not a folder; it must hold train/ and val/ with a folder per class")
    if not (root / "train").is_dir() and not (root / "val").is_dir():
        names = class_folders(root)
        if len(names) == 1:
            raise UserError(
                f"pictures.root = {root} holds one folder alone; must be two or more classes: {root / names[0]}?"
            )
        return split_classes(root, {name: image_paths(root / name) for name in names}, settings)
    return split_folders(root)


def split_folders(root: Path) -> Iterator[Entry]:
    """The images of `train/` and `val/`, which must hold the same classes."""
    for split in ("train", "val"):
        if not (root / split).is_dir():
            raise UserError(f"pictures.root = {root} has no folder {split}/; it must hold train/ and val/")
    classes = {split: class_folders(root / split) for split in ("train", "val")}
    for one, other in (("train", "val"), ("val", "train")):
        alone = sorted(set(classes[one]) - set(classes[other]))
        if alone:
            raise UserError(
                f"pictures.root = {root}: class {alone[0]} is in {one}/ but not in {other}/ "
                f"({len(alone)} such classes); both must hold the same classes"
            )
    for split in ("train", "val"):
        for label, name in enumerate(classes[split]):
            for path in image_paths(root / split / name):
                yield Entry(split, label, name, path.relative_to(root).as_posix(), *image_size(path))
