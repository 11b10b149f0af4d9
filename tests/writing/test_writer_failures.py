"""Test failures while a beton is written: one error at once, the old beton kept, nothing left behind."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.imports import ROOT
from tests.noise import COUNT, Folder, within
from zfpipe.beton.sidecar import read_sidecar, verify
from zfpipe.writing import decode, writer


def shared_memory() -> set[str]:
    """Return the shared memory that FFCV's own writer would leave behind."""
    return {path.name for path in Path("/dev/shm").glob("psm_*")}


# Other failures


class BrokenError(Exception):
    pass


def break_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes, resize: int) -> np.ndarray:
        raise BrokenError

    monkeypatch.setattr(decode, "square", broken)


def break_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sample: Any, place: int, *arguments: Any) -> None:
        if place == 20:
            raise BrokenError
        handle_sample(sample, place, *arguments)

    handle_sample = writer.handle_sample
    monkeypatch.setattr(writer, "handle_sample", broken)


def break_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> str:
        raise BrokenError

    monkeypatch.setattr(writer, "checksum", broken)


@pytest.mark.parametrize("break_it", [break_decoding, break_writing, break_checksum])
def test_an_exception_is_raised_at_once_and_leaves_the_old_beton(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Any
) -> None:
    beton = tmp_path / "train.beton"
    folder.write(beton)
    before, shared = beton.read_bytes(), shared_memory()
    break_it(monkeypatch)
    with pytest.raises(BrokenError):
        within(10, lambda: folder.write(beton, 2, seed=1))
    assert beton.read_bytes() == before
    verify(beton)
    assert sorted(path.name for path in tmp_path.glob("*train*")) == ["train.beton", "train.json", "train.rejected.csv"]
    assert shared_memory() <= shared


def test_pixels_of_a_wrong_shape_never_reach_ffcv(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "square", lambda data, resize: np.zeros((resize, resize - 1, 3), np.uint8))
    with pytest.raises(AssertionError):
        within(10, lambda: folder.write(tmp_path / "train.beton", 2))
    assert not list(tmp_path.glob("*train*"))


def test_a_killed_writer_leaves_the_old_beton_and_no_process_or_shared_memory(folder: Folder, tmp_path: Path) -> None:
    beton = tmp_path / "train.beton"
    folder.write(beton)
    before, shared = beton.read_bytes(), shared_memory()
    code = f"""
        import os, time
        from pathlib import Path
        import pandas as pd
        from tests.noise import Folder, settings
        from zfpipe.writing import writer
        def slow(path, *place):
            os.write(1, b"reading\\n")
            time.sleep(0.2)
            return (Path({str(folder.root)!r}) / path).read_bytes()
        rows = pd.read_pickle({str(tmp_path / "rows.pickle")!r})
        writer.write_beton(rows, slow, settings(seed=1), Path({str(beton)!r}), 2)
    """
    folder.rows.to_pickle(tmp_path / "rows.pickle")
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(6):
            assert process.stdout.readline() == "reading\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    assert children == []  # with one process, nothing can be left waiting
    assert shared_memory() <= shared
    assert beton.read_bytes() == before
    verify(beton)
    folder.write(beton, seed=1)  # the half-written beton is no hindrance
    assert read_sidecar(beton).count == COUNT
    assert sorted(path.name for path in tmp_path.glob("*train*")) == ["train.beton", "train.json", "train.rejected.csv"]
