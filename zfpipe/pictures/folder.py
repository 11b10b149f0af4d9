"""Your own images: `train/` and `val/`, each with a folder per class (torchvision's ImageFolder layout)."""

import os
from pathlib import Path

from PIL import Image

from zfpipe.errors import UserError
from zfpipe.pictures.index import Entry

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those of torchvision's ImageFolder."""


def entries(root: Path) -> list[Entry]:
    """Every image below `root`, training first, in the order of classes and names; labels follow the class names.

    Raises UserError, in one line, when the layout is not as expected.
    """
    if not root.is_dir():
        raise UserError(f"pictures.root = {root} is not a folder; it must hold train/ and val/ with a folder per class")
    classes = {split: class_names(root, split) for split in ("train", "val")}
    for one, other in (("train", "val"), ("val", "train")):
        alone = sorted(set(classes[one]) - set(classes[other]))
        if alone:
            raise UserError(
                f"pictures.root = {root}: class {alone[0]} is in {one}/ but not in {other}/ "
                f"({len(alone)} such classes); both must hold the same classes"
            )
    return [
        entry
        for split in ("train", "val")
        for label, name in enumerate(classes[split])
        for entry in class_entries(root, split, label, name)
    ]


def class_names(root: Path, split: str) -> list[str]:
    """The class folders of a split, sorted."""
    folder = root / split
    if not folder.is_dir():
        raise UserError(f"pictures.root = {root} has no folder {split}/; it must hold train/ and val/")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise UserError(f"pictures.root = {root}: {split}/ holds no class folders; make one for each class")
    return names


def class_entries(root: Path, split: str, label: int, name: str) -> list[Entry]:
    """The images of one class, sorted by path; hidden files are passed over."""
    folder = root / split / name
    paths = sorted(
        (Path(parent) / file).relative_to(root)
        for parent, _, files in os.walk(folder, followlinks=True)  # data sets are often links to other disks
        for file in files
        if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
    )
    if not paths:
        raise UserError(f"pictures.root = {root}: {split}/{name} holds no images ({', '.join(EXTENSIONS)})")
    return [Entry(split, label, name, path.as_posix(), *image_size(root / path)) for path in paths]


def image_size(path: Path) -> tuple[int, int] | tuple[None, None]:
    """Width and height out of the header alone; None where it can't be read (the betons stage then says why)."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None, None
