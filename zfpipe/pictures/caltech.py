"""Caltech-101 and Caltech-256 as they are unpacked: a folder per class, no split of their own (section 5.2)."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.params import Pictures
from zfpipe.pictures.files import class_folders, is_image, walk
from zfpipe.pictures.split import split_classes

CLUTTER = ("BACKGROUND_Google", "257.clutter")
"""What belongs to no class: left out unless `pictures.clutter` asks for it."""


def entries(folder: str, name: Callable[[str], str], root: Path, settings: Pictures) -> Iterator[Entry]:
    """Every image of the set, training first; `folder` is its own name, which `root` may hold or be.

    Only files directly in a class's folder count: Caltech-256 has strays below two of them (`056.dog/greg`,
    `198.spider/RENAME2`), which are counted in the log. Caltech-101's Faces and Faces_easy, the same photographs
    cropped, both stay, as its 9,144 images have them.
    """
    base = root / folder if (root / folder).is_dir() else root
    classes: dict[str, list[Path]] = {}
    strays = 0
    for directory in class_folders(base):
        if directory in CLUTTER and not settings.clutter:
            continue
        if name(directory) in classes:
            raise UserError(f"{base / directory}: another folder is {name(directory)} too; rename one")
        images, others = class_images(base / directory)
        strays += others
        if images:
            classes[name(directory)] = images
        else:
            stage.log(f"{directory} passed over: it holds no images")
    if not classes:
        raise UserError(f"{base} holds no folder with images; pictures.root must hold {folder} as it is unpacked")
    if strays:
        stage.log(f"{strays} files passed over: not images directly in a class's folder")
    return split_classes(root, classes, settings)


def class_images(folder: Path) -> tuple[list[Path], int]:
    """The images directly in a class's folder, sorted, and how many other files are in it and below it."""
    files = [path for files in walk(folder) for path in files]
    images = sorted(path for path in files if path.parent == folder and is_image(path.name))
    return images, len(files) - len(images)


def without_number(directory: str) -> str:
    """`001.ak47` as `ak47`."""
    number, _, name = directory.partition(".")
    return name if number.isdigit() and name else directory


caltech101 = partial(entries, "101_ObjectCategories", str)
caltech256 = partial(entries, "256_ObjectCategories", without_number)
