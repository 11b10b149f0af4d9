"""Find where the bytes of tar members lie. Nothing is unpacked, and no link is followed."""

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
"""Types of pax's and GNU tar's extra headers, such as times and long names; ImageNet's names are short."""
PADDING = 2**21
"""Maximum number of zero bytes at the end; more zeros are a hole that a download left."""


class Member(NamedTuple):
    """A member of an archive with its first byte and length; `regular` means a file, not a link or a device."""

    name: str
    offset: int
    size: int
    regular: bool


def members(archive: BinaryIO | GzipFile, what: str, start: int = 0, end: int | None = None) -> Iterator[Member]:
    """Yield every member except folders of the tar between bytes `start` and `end` (None: the end) of an open file.

    `tarfile` is several times slower, and does not notice an archive that is cut off between two members. Between two
    members the caller may read the file anywhere. Raise UserError, which names the archive as `what`, if the archive is
    cut short or damaged.
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
    """Return the member of a header block, with bytes from `offset`, or None if the block is no header."""
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
    """Return a number in a header, with blanks and zero bytes removed. Raise ValueError for other text."""
    digits = field.strip(b" \0") or b"0"
    if not digits.isdigit():
        raise ValueError
    return int(digits, 8)


def text(field: bytes) -> str:
    """Return a text in a header, up to its first zero byte."""
    return field.partition(b"\0")[0].decode(errors="replace")


def zipped_files(path: Path, pattern: re.Pattern[str], largest: int) -> Iterator[tuple[re.Match[str], bytes]]:
    """Yield the files in a .tar.gz with at most `largest` bytes whose full names match a pattern; skip other files.

    Raise UserError if the archive is cut short or damaged.
    """
    try:
        with GzipFile(path) as archive:
            for member in members(archive, str(path)):
                match = pattern.fullmatch(member.name)
                if match and member.regular and member.size <= largest:
                    archive.seek(member.offset)
                    yield match, archive.read(member.size)
            while archive.read(2**20):  # read to the end, since gzip checks the checksum there
                pass
    except (EOFError, zlib.error, BadGzipFile) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}); download it again") from None
