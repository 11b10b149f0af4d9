"""Test files of each suffix: what is read back, and the exact bytes, on which DVC's hashes rest."""

import errno
import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zfpipe import store
from zfpipe.errors import UserError

TABLE = pd.DataFrame({"name": ["a", "b"], "share": [1 / 3, 2.0], "count": [3, None]})


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    for name, value in (("a.md", "Größe\n"), ("a.json", "{}"), ("deep/a.csv", b"\x00,1\r\n")):
        store.save(tmp_path / name, value)
        assert (tmp_path / name).read_bytes() == (value if isinstance(value, bytes) else value.encode())
    assert store.load(tmp_path / "a.md") == "Größe\n"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "a.json",
            {"share": 0.1, "names": ["a", "ü"]},
            '{\n  "share": 0.1,\n  "names": [\n    "a",\n    "\\u00fc"\n  ]\n}\n',
        ),
        ("a.csv", TABLE, "name,share,count\na,0.333333,3\nb,2,\n"),
        ("a.csv", pd.DataFrame({"x": [1234567.0, 1e-9]}), "x\n1.23457e+06\n1e-09\n"),
    ],
)
def test_json_and_csv_have_one_format(tmp_path: Path, name: str, value: Any, text: str) -> None:
    store.save(tmp_path / name, value)
    assert (tmp_path / name).read_text() == text


def test_every_format_comes_back_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    arrays = {"b": np.arange(6, dtype=np.int64).reshape(2, 3).T, "a": np.ones(2, np.float32)}
    values = {"a.parquet": TABLE, "a.npy": arrays["b"], "a.safetensors": arrays, "a.csv": TABLE, "a.json": [1, None]}
    store.save_all(tmp_path, values)
    back = {name: store.load(tmp_path / name) for name in values}
    pd.testing.assert_frame_equal(back["a.parquet"], TABLE)
    pd.testing.assert_frame_equal(back["a.csv"], TABLE, rtol=1e-5)
    assert back["a.json"] == [1, None]
    for found in (back["a.npy"], back["a.safetensors"]["b"]):
        np.testing.assert_array_equal(found, arrays["b"])
    first = {name: (tmp_path / name).read_bytes() for name in values}
    store.save_all(tmp_path, values)
    assert {name: (tmp_path / name).read_bytes() for name in values} == first
    known = {"a.npy": "7ad76067", "a.safetensors": "8ee82046"}
    assert {name: hashlib.sha256(first[name]).hexdigest()[:8] for name in known} == known


@pytest.mark.parametrize(
    ("table", "codec"), [(pa.table({"x": [1, 2]}), "ZSTD"), (pd.DataFrame({"x": [1, 2]}, index=[5, 6]), "SNAPPY")]
)
def test_parquet_has_one_codec_for_each_kind_of_table_and_no_index(tmp_path: Path, table: Any, codec: str) -> None:
    store.save(tmp_path / "a.parquet", table)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.metadata.row_group(0).column(0).compression == codec
    assert file.schema.names == ["x"] and file.metadata.created_by.startswith("parquet-cpp-arrow")


def test_an_unknown_suffix_raises_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't write a DataFrame"):
        store.save(tmp_path / "a.xls", TABLE)
    assert not list(tmp_path.iterdir())


def test_files_that_libraries_open_by_themselves_are_seen(tmp_path: Path) -> None:
    store.save_all(tmp_path, {"a.parquet": TABLE, "a.safetensors": {"a": np.ones(2)}})
    seen = []
    sys.addaudithook(lambda event, arguments: seen.append(str(arguments[0])) if event == "open" else None)
    for name in ("a.parquet", "a.safetensors"):
        store.load(tmp_path / name)
        assert str(tmp_path / name) in seen


def test_an_output_is_complete_or_missing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), store.whole(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert target.read_text() == "old"


def test_the_next_stage_removes_what_a_killed_stage_left(tmp_path: Path) -> None:
    folder = tmp_path / ".spool"
    folder.mkdir()
    (folder / "left").touch()
    with store.scratch(folder) as empty:
        assert not list(empty.iterdir())
        (empty / "aside").touch()
    assert not folder.exists()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "aside"))
    line = re.escape(f"{folder}/aside can't be written: No space left on device; make room there and run it again")
    with pytest.raises(UserError, match=line), store.scratch(folder):
        raise full
    assert not folder.exists()
