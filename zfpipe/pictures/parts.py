"""Boxes of parts (eyes, nose, ...) that a user supplies for any set, so that Table 1 can be made (section 4.3)."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from zfpipe.errors import UserError
from zfpipe.pictures.index import SIDES, Box, Entry

COLUMNS = ["image", "part", *SIDES]


def read_parts(path: Path) -> dict[str, dict[str, Box]]:
    """Boxes by image and part, from a CSV file with the columns image, part, x0, y0, x1, y1.

    `image` is the path in the index; x0, y0 the first pixel inside, x1, y1 the first one beyond. Raises UserError, in
    one line, for other columns, an empty box, or the same part twice.
    """
    if not path.is_file():
        raise UserError(f"pictures.parts: {path} not found; it must lie in pictures.root")
    found: dict[str, dict[str, Box]] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        if next(rows, None) != COLUMNS:
            raise UserError(f"{path}: the first line must be {','.join(COLUMNS)}")
        for number, row in enumerate(rows, 2):
            if len(row) != len(COLUMNS):
                raise UserError(f"{path}, line {number}: {len(row)} columns; must be {len(COLUMNS)}")
            image, part, *sides = row
            parts = found.setdefault(image, {})
            if part in parts or not part:
                raise UserError(f"{path}, line {number}: part {part!r} of {image}; must have a name and stand once")
            parts[part] = box(sides, f"{path}, line {number}")
    return found


def box(sides: list[str], where: str) -> Box:
    """A box that holds at least something."""
    try:
        found = Box(*(float(side) for side in sides))
    except ValueError:
        raise UserError(f"{where}: {','.join(sides)}; must be four numbers of pixels") from None
    if not all(math.isfinite(side) for side in vars(found).values()) or found.x0 >= found.x1 or found.y0 >= found.y1:
        raise UserError(f"{where}: {','.join(sides)}; x0 must be less than x1 and y0 than y1")
    return found


def with_parts(entries: Iterable[Entry], parts: dict[str, dict[str, Box]]) -> Iterator[Entry]:
    """The entries with their parts. Raises UserError for a box beyond its image, and images that are not there."""
    unknown = set(parts)
    for entry in entries:
        boxes = parts.get(entry.path, {})
        unknown.discard(entry.path)
        for part, found in boxes.items():
            beyond = entry.width and entry.height and (found.x1 > entry.width or found.y1 > entry.height)
            if beyond or found.x0 < 0 or found.y0 < 0:
                raise UserError(
                    f"pictures.parts: {part} of {entry.path} lies beyond the image, {entry.width}x{entry.height} pixels"
                )
        yield replace(entry, parts=boxes) if boxes else entry
    if unknown:
        raise UserError(
            f"pictures.parts names {len(unknown)} images that the set does not have, the first {min(unknown)}; "
            "must be paths relative to pictures.root"
        )
