"""Tar archives read in place: where each member's bytes lie. Nothing is unpacked and no link is followed."""

import re
import sys
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from zfpipe.errors import UserError

BLOCK = 512
FOLDER, FILES = b"5", (b"0", b"\0", b"7")
NOTES = (b"x", b"g", b"L", b"K")
"""What pax and GNU tar write before a member, such as times and long names; ours have short ones."""
PADDING = 2**21
"""Zero bytes that may stand at the end; more of them is a download that left a hole."""


class Member(NamedTuple):
    """A member of an archive, its first byte and length there; `regular`: a file, not a link or a device."""

    name: str
    offset: int
    size: int
    regular: bool


def members(archive: BinaryIO | GzipFile, what: str, start: int = 0, end: int | None = None) -> Iterator[Member]:
    """Every member but folders, of the tar between two bytes of an open file; None: as far as it goes.

    `tarfile` takes several times as long, and takes an archive cut off between two members for a whole one. Between
    two members the caller may read the file anywhere. Raises UserError, which calls the archive `what`, when it is cut
    short or damaged.
    """
    place, last = start, sys.maxsize if end is None else end
    while place + BLOCK <= last:
        archive.seek(place)
        header = archive.read(BLOCK)
        if len(header) < BLOCK:
            break
        if not any(header) and (end is None or end - place <= PADDING):
            return
        member = parsed(header, place + BLOCK)
        if member is None:
            raise UserError(f"{what} is damaged at byte {place - start}, or no tar archive; download it again")
        if member.offset + member.size > last:
            break
        if header[156:157] not in (FOLDER, *NOTES):
            yield member
        place = member.offset + -(-member.size // BLOCK) * BLOCK
    raise UserError(f"{what} is cut short, in or behind byte {place - start}; download it again")


def parsed(header: bytes, offset: int) -> Member | None:
    """The member that a block describes, whose bytes start at `offset`; None where the block is no header."""
    try:
        if octal(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * ord(" "):
            return None
        # Sizes from 8 GiB on are binary
        size = int.from_bytes(header[125:136], "big") if header[124] == 0x80 else octal(header[124:136])
    except ValueError:
        return None
    prefix = text(header[345:500]) + "/" if header[257:263] == b"ustar\0" and header[345] else ""
    return Member((prefix + text(header[:100])).removeprefix("./"), offset, size, header[156:157] in FILES)


def octal(field: bytes) -> int:
    """A number in a header; blanks and zero bytes may stand around it. Raises ValueError."""
    digits = field.strip(b" \0") or b"0"
    if not digits.isdigit():
        raise ValueError
    return int(digits, 8)


def text(field: bytes) -> str:
    """A text in a header, up to its first zero byte."""
    return field.partition(b"\0")[0].decode(errors="replace")


def zipped_files(path: Path, pattern: re.Pattern[str], largest: int) -> Iterator[tuple[re.Match[str], bytes]]:
    """The files in a .tar.gz whose whole names match a pattern, of at most `largest` bytes; others are passed over.

    Raises UserError when the archive is cut short or damaged.
    """
    try:
        with GzipFile(path) as archive:
            for member in members(archive, str(path)):
                match = pattern.fullmatch(member.name)
                if match and member.regular and member.size <= largest:
                    archive.seek(member.offset)
                    yield match, archive.read(member.size)
            while archive.read(2**20):  # to the end, where the checksum stands
                pass
    except (EOFError, zlib.error, BadGzipFile) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}); download it again") from None
