"""Kill the writer of a beton at any moment, or fill the disk: nothing half-written may pass for complete.

`python -m tests.reading.test_interruptions kill|full FOLDER` runs one of the two alone.
"""

import contextlib
import faulthandler
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.imports import ROOT
from tests.noise import Folder, make_folder
from zfpipe import stage
from zfpipe.beton.sidecar import verify
from zfpipe.errors import UserError

KILLS = 24
WHOLE = ["train.beton", "train.json", "train.rejected.csv"]


def forked(call: Callable[[], object]) -> int:
    """Run `call` in a fork, which needs no seconds for imports; return the id of the process."""
    child = os.fork()
    if child:
        return child
    status = 1
    with contextlib.suppress(SystemExit):
        call()
        status = 0
    os._exit(status)


def write(pictures: Folder, beton: Path) -> None:
    """Write a beton as the stage does."""
    pictures.write(beton, 2)


def betons(pictures: Folder, folder: Path) -> list[bytes]:
    """Return what two uninterrupted runs with two seeds write."""
    for seed in (0, 1):
        pictures.write(folder / f"{seed}/train.beton", 2, seed=seed)
    return [(folder / f"{seed}/train.beton").read_bytes() for seed in (0, 1)]


def whole_or_refused(beton: Path, allowed: list[bytes]) -> bool:
    """Return whether a beton passes for complete. Fail if an incomplete beton passes."""
    try:
        verify(beton)
    except UserError:
        return False
    assert beton.read_bytes() in allowed
    return True


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").iterdir() if path.stat().st_uid == os.getuid()}


def kill(folder: Path) -> None:
    """Write two betons in turn to one place, and kill each write at another moment."""
    pictures = make_folder(folder / "pictures", count=60)
    allowed = betons(pictures, folder)
    beton = folder / "beton/train.beton"
    start = time.perf_counter()
    pictures.write(beton, 2)
    duration = time.perf_counter() - start
    before = shared_memory()
    outcomes = []
    for number, share in enumerate(np.random.default_rng(0).permutation(np.linspace(0, 1.3, KILLS))):
        child = forked(lambda seed=number % 2: pictures.write(beton, 2, seed=seed))
        time.sleep(share * duration)
        os.kill(child, signal.SIGKILL)
        finished = os.waitpid(child, 0)[1] == 0
        passes = whole_or_refused(beton, allowed)
        assert passes or not finished
        outcomes.append((finished, (beton.parent / ".train.beton.partial").exists()))
    assert (False, True) in outcomes, "no process was killed during its write"
    assert shared_memory() <= before
    pictures.write(beton, 2)
    assert beton.read_bytes() == allowed[0]
    assert sorted(path.name for path in beton.parent.iterdir()) == WHOLE


def full(folder: Path) -> None:
    """Limit the size of files, so that writing fails in the header, in the images, or in the allocation table."""
    pictures = make_folder(folder / "pictures", count=60)
    allowed = betons(pictures, folder)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    cases = [(100, False), (1000, False), (10_000_000, False), (10_000_000, True), (len(allowed[0]) - 10, False)]
    for number, (limit, old) in enumerate(cases):
        beton = folder / f"{number} full/train.beton"
        beton.parent.mkdir()
        if old:
            pictures.write(beton, 2, seed=1)

        def limited(beton: Path = beton, limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            stage.run(partial(write, pictures, beton))

        refused_then_mended(limited, pictures, beton, allowed, old)


def refused_then_mended(
    attempt: Callable[[], object], pictures: Folder, beton: Path, allowed: list[bytes], old: bool
) -> None:
    """Fail unless a write ends with one line, leaves only what was there, and the next write completes the beton."""
    reading, writing = os.pipe()

    def write_to_pipe() -> None:
        os.dup2(writing, 2)
        try:
            attempt()
        except SystemExit as error:
            os.write(2, str(error.code).encode())
            raise

    child = forked(write_to_pipe)
    os.close(writing)
    assert os.waitpid(child, 0)[1] != 0
    line = os.read(reading, 10_000).decode()
    os.close(reading)
    assert line.startswith(f"zfpipe: {beton} can't be written: "), line
    assert line.endswith("; make room there and run it again"), line
    assert "\n" not in line
    assert sorted(path.name for path in beton.parent.iterdir()) in ([], WHOLE[2:], WHOLE)
    assert whole_or_refused(beton, allowed[1:]) == old
    beton.unlink(missing_ok=True)  # makes room
    pictures.write(beton, 2)
    assert beton.read_bytes() == allowed[0]
    assert sorted(path.name for path in beton.parent.iterdir()) == WHOLE


def run(what: str, folder: Path) -> None:
    """Run one of the two in a separate process, since only a process without threads may fork."""
    command = [sys.executable, "-m", "tests.reading.test_interruptions", what, str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr[-3000:]


def test_a_killed_write_never_passes_for_complete(tmp_path: Path) -> None:
    run("kill", tmp_path)


def test_a_write_beyond_the_size_of_files_is_refused_in_one_line(tmp_path: Path) -> None:
    run("full", tmp_path)


@pytest.mark.parametrize("megabytes", [0.01, 5, 16.004])
def test_a_full_disk_is_refused_in_one_line(folder: Folder, tmp_path: Path, megabytes: float) -> None:
    """The disk is a small file system in memory. Each size is full in another part of the beton."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 2**20)}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems may not be mounted here")
    try:
        beton = disk / "train.beton"
        with pytest.raises(UserError) as raised:
            folder.write(beton, 2)
        what, _, why = str(raised.value).partition(" can't be written: ")
        assert what in (str(beton), str(beton.with_suffix(".json")))
        assert why == "No space left on device; make room there and run it again"
        assert sorted(path.name for path in disk.iterdir()) in ([], WHOLE[2:])
        subprocess.run(["mount", "-o", "remount,size=40M", str(disk)], check=True)
        folder.write(beton, 2)
        folder.write(tmp_path / "train.beton")
        assert beton.read_bytes() == (tmp_path / "train.beton").read_bytes()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(90, exit=True)  # shows where a hang is
    {"kill": kill, "full": full}[sys.argv[1]](Path(sys.argv[2]))
