"""Read and write the index, which has one row for every image of any source."""

import errno
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from zfpipe import store


def described(name: str, kind: pa.DataType, unit: str, meaning: str) -> pa.Field:
    """Return a column of the schema with its unit and meaning."""
    return pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})


SIDES = ("x0", "y0", "x1", "y1")
PART = pa.struct([("part", pa.string()), *((side, pa.float32()) for side in SIDES)])
BOX = "first pixel inside (x0, y0) and first one beyond (x1, y1); null: not known"
SCHEMA = pa.schema(
    [
        described("id", pa.int64(), "1", "number of the image over both splits, training first"),
        described("split", pa.string(), "", "train or val"),
        described("label", pa.int32(), "1", "class, from 0; of several, the largest object's"),
        described("class", pa.string(), "", "name of the class"),
        described(
            "labels", pa.list_(pa.int32()), "1", "every class in the image; null: the set knows one class an image"
        ),
        described(
            "difficult",
            pa.list_(pa.int32()),
            "1",
            "classes whose objects in the image are all marked difficult; null: none",
        ),
        described("path", pa.string(), "", "file or archive, relative to data/pictures or to pictures.root"),
        described("offset", pa.int64(), "byte", "first byte in the archive; null: a file of its own"),
        described("size", pa.int64(), "byte", "length in the archive; null: a file of its own"),
        described("width", pa.int32(), "pixel", "width; null: the header can't be read"),
        described("height", pa.int32(), "pixel", "height; null: the header can't be read"),
        *(described(f"box_{side}", pa.float32(), "pixel", f"object box, {BOX}") for side in SIDES),
        described("mask", pa.binary(), "", "object mask: a 1-bit PNG of the image's size; null: not known"),
        described("parts", pa.list_(PART), "pixel", f"boxes of parts of the object, {BOX}"),
    ]
)
HEAVY = ("labels", "difficult", "mask", "parts")
"""Columns that are read only when asked for."""
ROWS = 50_000
"""Number of rows written at a time."""
PLAIN = ("split", "label", "labels", "difficult", "path", "offset", "size", "width", "height", "mask")
"""Columns that are fields of an entry."""
NULLABLE = ("offset", "size", "width", "height")
"""Integer columns with missing values, which plain pandas would turn into floats."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: the first pixel inside and the first pixel beyond, along x and y."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Entry:
    """One image of the index; see `SCHEMA` for units and meanings."""

    split: str
    label: int
    class_name: str
    path: str
    width: int | None
    height: int | None
    offset: int | None = None
    size: int | None = None
    box: Box | None = None
    mask: bytes | None = None
    parts: dict[str, Box] = field(default_factory=dict)
    labels: tuple[int, ...] | None = None
    difficult: tuple[int, ...] | None = None


def write_index(entries: Iterable[Entry], path: Path) -> int:
    """Write the index as a stream and return its number of images; ids number the images in order.

    The same entries give the same bytes. Memory does not grow with the number of entries.
    """
    count = 0
    with store.whole(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for rows in batched(entries, ROWS):
            writer.write_table(index_table(rows, count))
            count += len(rows)
    return count


def batched(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    """Yield lists of `size` entries; the last list may be shorter."""
    rest = iter(entries)
    while rows := list(islice(rest, size)):
        yield rows


def index_table(entries: Sequence[Entry], first: int) -> pa.Table:
    """Return rows of the index with ids from `first`; by column, which is several times faster than by row."""
    boxes = [entry.box for entry in entries]
    columns = {
        "id": range(first, first + len(entries)),
        "class": [entry.class_name for entry in entries],
        "parts": [part_rows(entry.parts) for entry in entries],
        **{f"box_{side}": [box and getattr(box, side) for box in boxes] for side in SIDES},
        **{name: [getattr(entry, name) for entry in entries] for name in PLAIN},
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, SCHEMA)


def part_rows(parts: dict[str, Box]) -> list[dict[str, Any]] | None:
    """Return parts in the index's form, or None if there are none."""
    return [{"part": part, **vars(place)} for part, place in parts.items()] if parts else None


def read_index(path: Path, also: Collection[str] = ()) -> pd.DataFrame:
    """Read the index, with columns of `HEAVY` only if `also` names them; `NULLABLE` columns are Int64."""
    columns = [name for name in SCHEMA.names if name not in HEAVY or name in also]
    frame = pq.read_table(store.opened(path), columns=columns).to_pandas()
    return frame.astype(dict.fromkeys(NULLABLE, pd.Int64Dtype()))


def image_bytes(base: Path, path: str, offset: int | None, size: int | None) -> bytes:
    """Return the bytes of an image: a whole file below `base`, or a piece of an archive there.

    Raise OSError if reading fails, also if the archive is shorter than when it was indexed.
    """
    if offset is None or size is None:
        return (base / path).read_bytes()
    with (base / path).open("rb") as archive:
        archive.seek(offset)
        data = archive.read(size)
    if len(data) < size:
        raise OSError(errno.EIO, f"archive truncated: {len(data)} of {size} bytes")
    return data
