"""Caltech-101 and Caltech-256 as they are unpacked: a folder per class, no split of their own (section 5.2)."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zfpipe import stage
from zfpipe.params import Pictures
from zfpipe.pictures.files import EXTENSIONS, class_folders
from zfpipe.pictures.index import Entry
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
        found = sorted(path for path in (base / directory).rglob("*") if not path.name.startswith("."))
        images = [path for path in found if path.parent == base / directory and path.suffix.lower() in EXTENSIONS]
        strays += sum(path.is_file() or path.is_symlink() for path in found) - len(images)
        if images:
            classes[name(directory)] = images
        else:
            stage.log(f"{directory} passed over: it holds no images")
    if strays:
        stage.log(f"{strays} files passed over: not images directly in a class's folder")
    return split_classes(root, classes, settings)


def without_number(directory: str) -> str:
    """`001.ak47` as `ak47`."""
    number, _, name = directory.partition(".")
    return name if number.isdigit() and name else directory


caltech101 = partial(entries, "101_ObjectCategories", str)
caltech256 = partial(entries, "256_ObjectCategories", without_number)
