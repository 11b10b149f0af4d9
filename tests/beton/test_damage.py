"""Test that damaged betons are refused in one line before FFCV reads them, which would crash or give zeros."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ffcv.types import FieldDescType, HeaderType

from tests.noise import COUNT, SIDE, Folder, Known, make_folder
from zfpipe.beton.sidecar import check, verify
from zfpipe.errors import UserError
from zfpipe.reading.reader import Batches

METADATA = HeaderType.itemsize + 3 * FieldDescType.itemsize
"""Offset of the images' metadata in bytes."""
SAMPLE = 32
"""Size of an image's metadata in bytes."""


@pytest.fixture
def beton(known: Known, tmp_path: Path) -> Path:
    """Return a copy of a beton to damage."""
    for suffix in (".beton", ".json"):
        shutil.copy(known.beton.with_suffix(suffix), tmp_path / f"train{suffix}")
    return tmp_path / "train.beton"


def refusal(beton: Path) -> str:
    """Return the line with which opening a beton ends."""
    with pytest.raises(UserError) as raised:
        Batches(beton, batch=8, crop=SIDE, crops="centre")
    line = str(raised.value)
    assert "\n" not in line
    return line


def write_at(beton: Path, place: int, data: bytes) -> None:
    with beton.open("r+b") as file:
        file.seek(place)
        file.write(data)


# Truncated betons


@pytest.mark.parametrize("left", [0, 1, 10, 24, 700, METADATA + 5, METADATA + 600, 9_000_000, -1000, -24, -1])
def test_a_truncated_beton_is_refused(beton: Path, left: int) -> None:
    whole = beton.stat().st_size
    length = left if left >= 0 else whole + left
    with beton.open("r+b") as file:
        file.truncate(length)
    assert refusal(beton) == (
        f"{beton} is damaged: it has {length:,} bytes, its sidecar says {whole:,}; "
        "make it again: dvc repro -f betons@train"
    )


@pytest.mark.parametrize("left", [0, 1, 10, 24, 700, METADATA + 5, METADATA + 600, 9_000_000, -1000, -24, -1])
def test_a_truncated_beton_is_refused_even_if_the_sidecar_agrees(beton: Path, left: int) -> None:
    length = left if left >= 0 else beton.stat().st_size + left
    with beton.open("r+b") as file:
        file.truncate(length)
    edit_sidecar(beton, bytes=length)
    assert "is damaged: it" in refusal(beton)


def test_a_beton_that_grew_is_refused(beton: Path) -> None:
    with beton.open("ab") as file:
        file.write(bytes(24))
    assert "bytes, its sidecar says" in refusal(beton)
    edit_sidecar(beton, bytes=beton.stat().st_size)
    assert "its allocation table is not where its header says" in refusal(beton)


# Header, fields, metadata and allocation table


@pytest.mark.parametrize("filling", [b"\x00", b"\xff", b"<html>"])
def test_a_garbage_header_is_refused(beton: Path, filling: bytes) -> None:
    write_at(beton, 0, (filling * METADATA)[:METADATA])
    assert "its header is not that of a beton of zfpipe" in refusal(beton)


def steering(beton: Path) -> list[Any]:
    """Return all numbers in a beton that say what FFCV copies from where to where."""
    header = np.fromfile(beton, HeaderType, 1)[0]
    fields = np.fromfile(beton, FieldDescType, 3, offset=HeaderType.itemsize)
    image = np.dtype([("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("ptr", "<u8")])
    sample = np.dtype([("image", image), ("label", "<i8"), ("id", "<i8")], align=True)
    samples = np.fromfile(beton, sample, COUNT, offset=METADATA)
    table = np.fromfile(beton, "<u8", offset=int(header["alloc_table_ptr"]))
    counts = [int(header[name]) for name in ("version", "num_fields", "num_samples", "alloc_table_ptr")]
    return [counts, fields["type_id"].tolist(), fields["name"].tolist(), samples["image"].tolist(), table.tolist()]


def test_no_flipped_bit_that_steers_a_copy_passes(beton: Path) -> None:
    data = beton.read_bytes()
    expected = steering(beton)
    table = expected[0][3]
    kinds = [HeaderType.itemsize + field * FieldDescType.itemsize for field in range(3)]
    places = [
        *range(HeaderType.itemsize),
        *(kind + byte for kind in kinds for byte in range(20)),
        *range(METADATA, METADATA + SAMPLE * COUNT, 3),
        *range(table, len(data), 2),
    ]
    random = np.random.default_rng(0)
    passed = 0
    for place in places:
        write_at(beton, place, bytes([data[place] ^ (1 << int(random.integers(8)))]))
        try:
            check(beton)
        except UserError as error:
            assert re.search(r"is damaged: .*; make it again: dvc repro -f betons@train$", str(error))
        else:
            passed += 1
            assert steering(beton) == expected, f"byte {place}"
        write_at(beton, place, data[place : place + 1])
    assert passed < len(places) / 3  # bits of padding, of the page size and of some ids pass
    check(beton)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("f0.mode", 0, "not all stored as raw"),
        ("f0.width", SIDE + 1, "not 32x32"),
        ("f0.data_ptr", 2**40, "not that of its images"),
        ("f1", 3, "labels outside the 3 classes"),
        ("f1", -1, "labels outside the 3 classes"),
        ("f2", None, "the same image twice"),
    ],
)
def test_metadata_that_contradict_the_sidecar_are_refused(beton: Path, field: str, value: int, said: str) -> None:
    image = np.dtype([("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("data_ptr", "<u8")])
    samples = np.memmap(
        beton, np.dtype([("f0", image), ("f1", "<i8"), ("f2", "<i8")], align=True), "r+", METADATA, (COUNT,)
    )
    column = samples
    for name in field.split("."):
        column = column[name]
    column[5] = column[6] if value is None else value
    samples.flush()
    assert said in refusal(beton)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (2, 2**63, "do not lie one after another"),
        (2, 0, "do not lie one after another"),
        (2, 3 * SIDE**2 - 3, "pixels long"),
        (1, 2**64 - 3, "not that of its images"),
        (0, 4, "not that of its images"),
    ],
)
def test_allocations_that_would_be_copied_over_other_memory_are_refused(
    beton: Path, column: int, value: int, said: str
) -> None:
    start = int(np.fromfile(beton, HeaderType, 1)[0]["alloc_table_ptr"])
    write_at(beton, start + 24 * 5 + 8 * column, value.to_bytes(8, "little"))
    assert said in refusal(beton)


def move(beton: Path, sample: int, place: int) -> None:
    """Change an image's place in the metadata and in the allocation table alike."""
    table = int(np.fromfile(beton, HeaderType, 1)[0]["alloc_table_ptr"])
    write_at(beton, METADATA + SAMPLE * sample + 5, place.to_bytes(8, "little"))
    write_at(beton, table + 24 * sample + 8, place.to_bytes(8, "little"))


def test_images_out_of_order_are_refused(beton: Path) -> None:
    """FFCV finds the length of an image by a binary search over the places."""
    table = np.fromfile(beton, "<u8", offset=int(np.fromfile(beton, HeaderType, 1)[0]["alloc_table_ptr"])).reshape(
        -1, 3
    )
    fifth, sixth = table[5:7, 1].tolist()
    move(beton, 5, fifth)
    check(beton)
    move(beton, 5, sixth)
    move(beton, 6, fifth)
    assert "do not lie one after another" in refusal(beton)


def test_an_image_in_the_header_is_refused(beton: Path) -> None:
    move(beton, 0, 8)
    assert "do not lie one after another" in refusal(beton)


def test_jpeg_betons_are_checked_too(tmp_path: Path) -> None:
    folder: Folder = make_folder(tmp_path / "pictures", count=6)
    beton = tmp_path / "train.beton"
    folder.write(beton, write_mode="jpg")
    start = int(np.fromfile(beton, HeaderType, 1)[0]["alloc_table_ptr"])
    write_at(beton, start + 24 * 2 + 16, (10**6).to_bytes(8, "little"))
    assert "do not lie one after another" in refusal(beton)


# Damage inside pictures


@pytest.mark.parametrize("mode", ["raw", "jpg"])
def test_damage_inside_a_picture_is_found_by_the_checksum(tmp_path: Path, mode: str) -> None:
    folder = make_folder(tmp_path / "pictures", count=6)
    beton = tmp_path / "train.beton"
    written = folder.write(beton, write_mode=mode)
    assert verify(beton) == written
    table = np.fromfile(beton, HeaderType, 1)[0]["alloc_table_ptr"]
    first = np.fromfile(beton, "<u8", offset=int(table))[1]
    write_at(beton, int(first) + 300, b"\x00\xff\x00\xff")
    check(beton)  # `check` does not read pictures
    with pytest.raises(UserError, match="its checksum is not the one in its sidecar; make it again"):
        verify(beton)


# Missing and damaged files


def edit_sidecar(beton: Path, **edit: Any) -> None:
    path = beton.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | edit))


def test_a_missing_beton_or_sidecar_names_the_stage(beton: Path) -> None:
    beton.rename(beton.with_name("kept"))
    assert refusal(beton) == f"{beton} not found; make it: dvc repro betons@train"
    beton.with_name("kept").rename(beton)
    beton.with_suffix(".json").unlink()
    assert refusal(beton) == f"{beton.with_suffix('.json')} not found; make it: dvc repro betons@train"


def test_a_missing_target_beton_names_its_own_stage(beton: Path) -> None:
    folder = beton.parent / "caltech101"
    folder.mkdir()
    moved = folder / "images.beton"
    assert refusal(moved) == f"{moved.with_suffix('.json')} not found; make it: dvc repro target@caltech101"
    moved.with_suffix(".json").write_text("{")
    assert refusal(moved).endswith("make it again: dvc repro -f target@caltech101")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"sha256": "0"}', "\x00"])
def test_a_damaged_sidecar_is_refused(beton: Path, text: str) -> None:
    beton.with_suffix(".json").write_text(text)
    assert "the sidecar can't be read" in refusal(beton)


@pytest.mark.parametrize(
    "edit", [{"count": COUNT - 1}, {"resize": SIDE + 1}, {"write_mode": "jpg"}, {"classes": ["a"]}]
)
def test_a_sidecar_of_another_beton_is_refused(beton: Path, edit: dict[str, Any]) -> None:
    edit_sidecar(beton, **edit)
    assert "is damaged: " in refusal(beton)
