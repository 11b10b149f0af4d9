"""Read boxes of parts (eyes, nose, ...) that a user supplies for any set; Table 1 needs them (section 4.3)."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from zfpipe.errors import UserError
from zfpipe.index.images import SIDES, Box, Entry

COLUMNS = ["image", "part", *SIDES]


def read_parts(path: Path) -> dict[str, dict[str, Box]]:
    """Return boxes by image and part, from a CSV file with the columns image, part, x0, y0, x1, y1.

    `image` is the path in the index. x0, y0 is the first pixel inside the box, x1, y1 the first pixel beyond. Raise
    UserError, in one line, for other columns, an empty box, or the same part twice.
    """
    if not path.is_file():
        raise UserError(f"pictures.parts: {path} not found; it must lie in pictures.root")
    found: dict[str, dict[str, Box]] = {}
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:  # spreadsheets begin with a BOM
        rows = csv.reader(file)
        try:
            if next(rows, None) != COLUMNS:
                raise UserError(f"{path}: the first line must be {','.join(COLUMNS)}")
            for row in rows:
                if row:
                    add(row, found, f"{path}, line {rows.line_num}")
        except csv.Error as error:
            raise UserError(f"{path}, line {rows.line_num}: {error}; must be a CSV file") from None
    return found


def add(row: list[str], found: dict[str, dict[str, Box]], where: str) -> None:
    """Add a row's box to `found`. Raise UserError for a wrong row."""
    if len(row) != len(COLUMNS):
        raise UserError(f"{where}: {len(row)} columns; must be {len(COLUMNS)}")
    image, part, *sides = row
    parts = found.setdefault(image, {})
    if part in parts or not part:
        raise UserError(f"{where}: part {part!r} of {image!r}; must have a name and stand once")
    parts[part] = box(sides, where)


def box(sides: list[str], where: str) -> Box:
    """Return the box of four numbers. Raise UserError if it is empty."""
    try:
        found = Box(*(float(side) for side in sides))
    except ValueError:
        raise UserError(f"{where}: {','.join(sides)}; must be four numbers of pixels") from None
    if not all(math.isfinite(side) for side in vars(found).values()) or found.x0 >= found.x1 or found.y0 >= found.y1:
        raise UserError(f"{where}: {','.join(sides)}; x0 must be less than x1 and y0 than y1")
    return found


def with_parts(entries: Iterable[Entry], parts: dict[str, dict[str, Box]]) -> Iterator[Entry]:
    """Yield the entries with their parts. Raise UserError for a box beyond its image, and for unknown images.

    An image in an archive has no path of its own, so it has no parts.
    """
    unknown = set(parts)
    for entry in entries:
        if entry.offset is not None or entry.path not in parts:
            yield entry
            continue
        unknown.discard(entry.path)
        for part, found in parts[entry.path].items():
            refuse_beyond(entry, part, found)
        yield replace(entry, parts=parts[entry.path])
    if unknown:
        raise UserError(
            f"pictures.parts names {len(unknown)} images that the set does not have, the first {min(unknown)!r}; "
            "must be paths of files relative to pictures.root, not of archives"
        )


def refuse_beyond(entry: Entry, part: str, box: Box) -> None:
    """Raise UserError if a box does not lie in its image, as far as the image's size is known."""
    width, height = entry.width or math.inf, entry.height or math.inf
    if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
        size = f", {width}x{height} pixels" if entry.width else ""
        raise UserError(f"pictures.parts: {part} of {entry.path} lies beyond the image{size}")
