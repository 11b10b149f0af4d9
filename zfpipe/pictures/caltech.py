"""Read Caltech-101 and Caltech-256 as unpacked: a folder for each class, and no split (section 5.2)."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures.files import class_folders, is_image, walk
from zfpipe.pictures.split import split_classes
from zfpipe.sections import Pictures

CLUTTER = ("BACKGROUND_Google", "257.clutter")
"""Folders of images without a class, which are left out unless `pictures.clutter` is set."""


def entries(folder: str, name: Callable[[str], str], root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield every image of the set, training first; `folder` is the set's folder, which `root` may contain or be.

    Only files directly in a class's folder count: Caltech-256 has stray files below two of them (`056.dog/greg`,
    `198.spider/RENAME2`), which are counted in the log. Caltech-101's Faces and Faces_easy, the same photographs
    cropped, are both kept, since its 9,144 images include both.
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
    """Return the sorted images directly in a class's folder, and the number of other files in and below the folder."""
    files = [path for files in walk(folder) for path in files]
    images = sorted(path for path in files if path.parent == folder and is_image(path.name))
    return images, len(files) - len(images)


def without_number(directory: str) -> str:
    """Return `001.ak47` as `ak47`."""
    number, _, name = directory.partition(".")
    return name if number.isdigit() and name else directory


caltech101 = partial(entries, "101_ObjectCategories", str)
caltech256 = partial(entries, "256_ObjectCategories", without_number)
