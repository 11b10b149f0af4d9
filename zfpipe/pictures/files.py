"""Find image files below a folder, by the same rules for every source."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image

from zfpipe.errors import UserError

EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".bmp", ".dib",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
)  # fmt: skip
"""Suffixes of the formats that the betons stage decodes."""
SYSTEM = {
    "__macosx", "$recycle.bin", "system volume information", "lost+found", "@eadir", "#recycle", "thumbs.db",
    "ehthumbs.db", "desktop.ini",
}  # fmt: skip
"""Lower-case names of files and folders that operating systems create."""
ORIENTATION = 0x0112
"""EXIF's tag of the orientation; values from 5 on mean a quarter turn."""


def passed_over(name: str) -> bool:
    """Return whether a file or folder is skipped because it is hidden or the operating system's."""
    return name.startswith(".") or name.casefold() in SYSTEM


def class_folders(folder: Path) -> list[str]:
    """Return the folders in a folder, sorted, without hidden ones and the operating system's.

    Raise UserError if there are none, or if two of them are the same folder through links.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; it must hold a folder for each class")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not passed_over(path.name))
    for path in sorted(folder.iterdir()):
        refuse_odd(path)
    if not names:
        images = sum(is_image(path.name) for path in folder.iterdir())
        held = f" but {images:,} images" if images else ""
        raise UserError(f"{folder} holds no class folders{held}; make one for each class")
    refuse_same(folder / name for name in names)
    return names


def refuse_same(folders: Iterator[Path]) -> None:
    """Raise UserError if links make two folders the same, since its images would count twice."""
    seen: dict[str, Path] = {}
    for path in folders:
        first = seen.setdefault(os.path.realpath(path), path)
        if first != path:
            raise UserError(f"{path} is the same folder as {first}; remove the link, or its images count twice")


def is_image(name: str) -> bool:
    """Return whether a file counts as an image, by its name."""
    return name.lower().endswith(EXTENSIONS) and not passed_over(name)


def image_paths(folder: Path, others: Counter[str] | None = None, seen: dict[str, str] | None = None) -> list[Path]:
    """Return every image below a folder, sorted by path; hidden files are skipped, links are followed.

    Other files are counted in `others` by suffix. `seen` holds the folders of the set so far. Raise UserError if there
    is no image, and in the cases of `walk`.
    """
    files = [path for held in walk(folder, seen) for path in held]
    paths = sorted(path for path in files if is_image(path.name))
    passed = Counter(path.suffix.lower() for path in files if not is_image(path.name))
    if not paths:
        held = f" but {listed(passed)}" if passed else ""
        raise UserError(f"{folder} holds no images ({', '.join(EXTENSIONS)}){held}")
    if others is not None:
        others.update(passed)
    return paths


def listed(others: Counter[str]) -> str:
    """Return the counts of files by suffix in words, and advice if the files are photographs that are not decoded."""
    kinds = sorted(others.items(), key=lambda one: (-one[1], one[0]))
    words = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in kinds[:8])
    rest = f", {len(kinds) - 8} more kinds" if len(kinds) > 8 else ""
    return words + rest + ("; HEIC must be made JPEG first" if {".heic", ".heif"} & set(others) else "")


def walk(folder: Path, seen: dict[str, str] | None = None) -> Iterator[list[Path]]:
    """Yield the files of a folder, then of each folder below it; hidden ones are skipped, links are followed.

    Raise UserError for a file that stops DVC, hidden or not (a name that is not UTF-8, a broken link, a pipe), and if
    links lead to a folder twice or to one in `seen`. Raise OSError for a folder that can't be read.
    """
    seen = {} if seen is None else seen
    waiting = [os.fspath(folder)]
    while waiting:
        parent = waiting.pop()
        first = seen.setdefault(os.path.realpath(parent), parent)
        if first != parent:
            raise UserError(f"{parent} is the same folder as {first}; remove the link, or its images count twice")
        files, folders = [], []
        with os.scandir(parent) as entries:
            for entry in entries:
                folder_too, plain = entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)
                if not (folder_too or plain):
                    refuse_odd(Path(entry.path))
                    folder_too = Path(entry.path).is_dir()
                path = named(Path(entry.path))
                if not passed_over(entry.name):
                    (folders if folder_too else files).append(path)
        waiting += sorted(map(str, folders), reverse=True)
        yield files


def refuse_odd(path: Path) -> None:
    """Raise UserError for a broken link, at which DVC stops, and for a pipe, for which DVC waits."""
    if not path.exists():
        raise UserError(f"{path} is a link that leads nowhere; remove it, or mend what it leads to")
    if not (path.is_dir() or path.is_file()):
        raise UserError(f"{path} is neither a file nor a folder, and DVC would wait for it; remove it")


def within(root: Path, name: str, parameter: str) -> Path:
    """Return the path of a user's file in a set. Raise UserError if DVC would not see the file change."""
    path = Path(name)
    parents = [root.joinpath(*path.parts[: count + 1]) for count in range(len(path.parts) - 1)]
    if path.is_absolute() or ".." in path.parts or any(parent.is_symlink() for parent in parents):
        raise UserError(f"{parameter} = {name}; must be a file in {root} itself, not by a link: DVC looks there alone")
    return root / path


def named(path: Path) -> Path:
    """Return the path. Raise UserError if its name is not UTF-8, which the index can't store."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(path)!a} is no name in UTF-8; rename it") from None
    return path


def image_size(path: Path | BytesIO) -> tuple[int, int] | tuple[None, None]:
    """Read upright width and height from the header, or None if that fails (the betons stage says why)."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # warnings of readable images
            width, height = image.size
            return (height, width) if lies_on_its_side(image) else (width, height)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None, None


def lies_on_its_side(image: Image.Image) -> bool:
    """Return whether EXIF turns an opened image by a quarter when the image is decoded.

    Pillow itself gives a TIFF's upright size. In a PNG Pillow would read all pixels to look for EXIF behind them.
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    try:
        return image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF can raise almost anything; then the image is not turned
        return False
