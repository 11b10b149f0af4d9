"""Image files below a folder, as every source finds them."""

import os
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NoReturn

from PIL import Image

from zfpipe.errors import UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those of torchvision's ImageFolder."""
ORIENTATION = 0x0112
"""EXIF's tag; from 5 on, the picture lies on its side."""


def class_folders(folder: Path) -> list[str]:
    """The folders in a folder, sorted; hidden ones are passed over. Raises UserError when there are none."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; it must hold a folder for each class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise UserError(f"{folder} holds no class folders; make one for each class")
    return names


def image_paths(folder: Path) -> list[Path]:
    """Every image below a folder, sorted by path; hidden files are passed over, links are followed.

    Raises UserError when there is none, for a name that is not UTF-8, and where links lead to a folder twice.
    """
    paths = sorted(path for files in walk(folder) for path in files if path.name.lower().endswith(EXTENSIONS))
    if not paths:
        raise UserError(f"{folder} holds no images ({', '.join(EXTENSIONS)})")
    return paths


def walk(folder: Path) -> Iterator[list[Path]]:
    """The files of a folder, then of each one below it; hidden files are passed over, links are followed.

    Raises UserError for a name that is not UTF-8, and where links lead to a folder twice; OSError for a folder that
    can't be read.
    """

    def refuse(error: OSError) -> NoReturn:
        raise error

    seen: dict[str, str] = {}
    for parent, _, files in os.walk(folder, onerror=refuse, followlinks=True):  # data sets are often links
        first = seen.setdefault(os.path.realpath(parent), parent)
        if first != parent:
            raise UserError(f"{parent} is the same folder as {first}; remove the link, or its images count twice")
        yield [named(Path(parent) / file) for file in files if not file.startswith(".")]


def named(path: Path) -> Path:
    """The path itself, which the index can hold. Raises UserError where its name is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(path)!a} is no name in UTF-8; rename it") from None
    return path


def image_size(path: Path | BytesIO) -> tuple[int, int] | tuple[None, None]:
    """Width and height, upright, out of the header alone; None where it can't be read (the betons stage says why)."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # images that are odd but whole
            width, height = image.size
            return (height, width) if lies_on_its_side(image) else (width, height)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None, None


def lies_on_its_side(image: Image.Image) -> bool:
    """Whether EXIF turns an opened image by a quarter, as it is when it is decoded.

    Of a TIFF Pillow gives the upright size itself; of a PNG it would read all pixels to look for EXIF behind them.
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    try:
        return image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF raises almost anything, and then the image stays as it lies
        return False
