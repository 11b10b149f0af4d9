"""Find links to folders below the root of a set: DVC does not follow them, so it does not see images there change."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from zfpipe.errors import UserError
from zfpipe.pictures.files import passed_over, walk


def linked(root: Path) -> Iterator[Path]:
    """Yield the links to folders below a folder, in order, at any depth; the linked folders are not searched."""
    for parent, folders, _ in os.walk(root):
        if ".dvc" in folders and Path.cwd() in Path(parent).absolute().parents:
            raise UserError(f"{parent} is a DVC project of its own, into which this one does not look; remove its .dvc")
        folders[:] = sorted(name for name in folders if not passed_over(name))
        yield from (Path(parent) / name for name in folders if (Path(parent) / name).is_symlink())


def check(root: Path, section: str, watched: bool) -> None:
    """Raise UserError if a set has links to folders and the stage `watch` does not watch them."""
    first = None if watched else next(linked(root), None)
    if first is not None:
        raise UserError(
            f"{first} is a link to a folder, into which DVC does not look: new images there would change nothing; add "
            f"{section} to watch in params.yaml"
        )


def digests(root: Path, before: dict[str, str] | None) -> dict[str, str]:
    """Return a hash of names, sizes and times of the files behind each link to a folder below `root`.

    If the set is not on this machine, return the hashes found `before` on another machine.
    """
    if not root.exists() and before is not None:
        return before
    return {path.relative_to(root).as_posix(): digest(path) for path in linked(root)}


def digest(folder: Path) -> str:
    """Return a hash of names, sizes in bytes and times of the files below a folder."""
    found = hashlib.sha256()
    for path in sorted(path for files in walk(folder) for path in files):
        about = path.stat() if path.exists() else None  # a broken link
        size = about and (about.st_size, about.st_mtime_ns)
        found.update(f"{path.relative_to(folder)} {size}\n".encode())
    return found.hexdigest()
