"""Image files below a folder, as every source finds them."""

import os
from io import BytesIO
from pathlib import Path

from PIL import Image

from zfpipe.errors import UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those of torchvision's ImageFolder."""


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

    Raises UserError when there is none.
    """
    paths = sorted(
        Path(parent) / file
        for parent, _, files in os.walk(folder, followlinks=True)  # data sets are often links to other disks
        for file in files
        if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
    )
    if not paths:
        raise UserError(f"{folder} holds no images ({', '.join(EXTENSIONS)})")
    return paths


def image_size(path: Path | BytesIO) -> tuple[int, int] | tuple[None, None]:
    """Width and height out of the header alone; None where it can't be read (the betons stage then says why)."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None, None
