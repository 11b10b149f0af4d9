"""Test the index: entries are read back as written, typed and described."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from zfpipe.index.images import SCHEMA, Box, Entry, image_bytes, read_index, write_index

ENTRIES = [
    Entry("train", 0, "owl", "train.tar", 20, 10, 512, 9, Box(1, 2, 3.5, 4), b"png", {"nose": Box(1, 1, 2, 2)}),
    Entry("val", 0, "owl", "val/owl/a.png", None, None),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_index(ENTRIES, tmp_path / "index.parquet")
    return tmp_path / "index.parquet"


def test_each_image_has_a_row(path: Path) -> None:
    index = read_index(path, also=("mask", "parts"))
    drawn, own = index.iloc[0], index.iloc[1]
    assert list(index["id"]) == [0, 1]
    assert list(index["class"]) == ["owl", "owl"]
    assert (drawn["offset"], drawn["size"], drawn["width"], drawn["height"]) == (512, 9, 20, 10)
    assert [drawn[f"box_{side}"] for side in ("x0", "y0", "x1", "y1")] == [1, 2, 3.5, 4]
    assert drawn["mask"] == b"png"
    assert list(drawn["parts"]) == [{"part": "nose", "x0": 1, "y0": 1, "x1": 2, "y1": 2}]
    missing = ["offset", "size", "width", "height", "box_x0", "box_y1", "mask", "parts"]
    assert own[missing].isna().all()


def test_masks_and_parts_are_read_only_when_asked_for(path: Path) -> None:
    assert not {"labels", "difficult", "mask", "parts"} & set(read_index(path).columns)
    assert set(read_index(path, also=("parts",)).columns) == set(SCHEMA.names) - {"labels", "difficult", "mask"}


def test_whole_numbers_stay_whole_if_some_are_missing(path: Path) -> None:
    index = read_index(path)
    assert all(index[name].dtype == pd.Int64Dtype() for name in ("offset", "size", "width", "height"))
    assert index["id"].dtype == "int64"
    assert index["label"].dtype == "int32"


def test_every_column_says_what_it_means(path: Path) -> None:
    for field in pq.read_schema(path):
        assert field.metadata[b"meaning"]
        assert b"unit" in field.metadata


def test_the_same_entries_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_index(ENTRIES, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()


def test_a_piece_of_an_archive_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    assert image_bytes(tmp_path, "a.tar", 3, 4) == b"3456"
    assert image_bytes(tmp_path, "a.tar", None, None) == b"0123456789"


def test_a_truncated_piece_of_an_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    for offset in (7, 10, 20):
        with pytest.raises(OSError) as error:
            image_bytes(tmp_path, "a.tar", offset, 4)
        assert error.value.strerror == f"archive truncated: {max(10 - offset, 0)} of 4 bytes"


def test_rows_are_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [Entry("train", number, "owl", f"{number}.png", number, None) for number in range(7)]
    monkeypatch.setattr("zfpipe.index.images.ROWS", 3)
    assert write_index(iter(entries), tmp_path / "index.parquet") == 7
    index = read_index(tmp_path / "index.parquet")
    assert list(index["id"]) == list(index["label"]) == list(range(7))
    assert list(index["path"]) == [entry.path for entry in entries]
