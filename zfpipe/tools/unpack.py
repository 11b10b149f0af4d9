"""Unpack archives into a folder: no member is written outside the folder, and no link is made."""

import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Literal, NamedTuple

from tqdm import tqdm

from zfpipe import stage
from zfpipe.errors import UserError

DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, ValueError, RuntimeError)
"""Exceptions of a damaged archive; gzip's own error is an OSError without a number."""
ZIP = b"PK\3\4"
"""First bytes of a zip archive."""


class Member(NamedTuple):
    """A member of an archive. `target` is where a link leads; `opened` opens a file for reading."""

    name: str
    kind: Literal["file", "folder", "link", "other"]
    target: str
    opened: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path) -> None:
    """Write the files and folders of a tar or zip archive into a folder.

    A link to a place inside the folder is skipped, and counted in the log: without links, no member can be written
    outside the folder through a link. Raise UserError, in one line, for an absolute path, a path or a link that leaves
    the folder, a device, or a damaged archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    links = 0
    try:
        for member in tqdm(
            members(archive), desc=f"unpacking {archive.name}", unit=" files", leave=False, disable=None
        ):
            refuse(member, archive)
            place = folder / member.name
            if member.kind == "folder":
                place.mkdir(parents=True, exist_ok=True)
            elif member.kind == "link":
                links += 1
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                copy(member, place)
    except DAMAGED as error:
        raise UserError(damaged(archive, error)) from None
    except OSError as error:
        if error.errno is None:
            raise UserError(damaged(archive, error)) from None
        raise
    if links:
        stage.log(f"{links} links in {archive.name} passed over")


def damaged(archive: Path, error: Exception) -> str:
    """Return the error line for an archive that can't be read."""
    return (
        f"{archive} is damaged ({' '.join(str(error).split()) or type(error).__name__}); remove it and fetch it again"
    )


def refuse(member: Member, archive: Path) -> None:
    """Raise UserError for a member that must not be unpacked."""
    what = None
    if leaves(member.name):
        what = "an absolute path" if member.name.startswith("/") else "a path that leaves its folder"
    elif member.kind == "link" and leaves(member.target):
        what = f"a link that leaves its folder, to {member.target[:200]!r}"
    elif member.kind == "other":
        what = "no file, folder or link"
    if what:
        raise UserError(f"{archive} holds {member.name[:200]!r}, {what}; nothing of it is kept")


def leaves(name: str) -> bool:
    """Return whether a path may lead out of the folder that it starts from."""
    return name.startswith("/") or ".." in PurePosixPath(name).parts or "\0" in name


def copy(member: Member, place: Path) -> None:
    """Write a member's bytes."""
    source = member.opened()
    assert source is not None, "only files are copied"
    with source, place.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)


def members(archive: Path) -> Iterator[Member]:
    """Return the members of an archive, in their order."""
    with archive.open("rb") as file:
        begins = file.read(len(ZIP))
    return zip_members(archive) if begins == ZIP else tar_members(archive)


def tar_members(archive: Path) -> Iterator[Member]:
    """Yield the members of a tar archive, compressed or not."""
    with tarfile.open(archive) as file:
        for one in file:
            kind = (
                "link"
                if one.issym() or one.islnk()
                else "folder"
                if one.isdir()
                else "file"
                if one.isreg()
                else "other"
            )
            target = joined(one.name, one.linkname) if one.issym() else one.linkname
            yield Member(one.name, kind, target, lambda one=one: file.extractfile(one))


def zip_members(archive: Path) -> Iterator[Member]:
    """Yield the members of a zip archive."""
    with zipfile.ZipFile(archive) as file:
        for one in file.infolist():
            link = stat.S_ISLNK(one.external_attr >> 16)
            kind = "link" if link else "folder" if one.is_dir() else "file"
            target = joined(one.filename, file.read(one).decode(errors="replace")) if link else ""
            yield Member(one.filename, kind, target, lambda one=one: file.open(one))


def joined(link: str, target: str) -> str:
    """Return a symbolic link's target relative to the archive's root. An absolute target stays absolute."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
