"""What every stage script does around its work: errors in one line, whole files, timed log lines."""

import errno
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from zfpipe.errors import UserError
from zfpipe.launch import launch, sent

RUNNING = Path(".zfpipe/running")
"""A file for each stage that has run here, locked while it runs."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a used up quota, a file larger than allowed."""


def run(main: Callable[[], None]) -> None:
    """Runs a stage and ends the process; a user's mistake ends it with one line and status 1."""
    start = time.perf_counter()
    try:
        with alone(RUNNING):
            launch()
            main()
    except UserError as error:
        sys.exit(f"zfpipe: {error}")
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"zfpipe: {where}{error.strerror}")
    log(f"done in {time.perf_counter() - start:.1f} s")
    leave()


def leave() -> None:
    """Ends the process at once: everything is on disk, and torch would tidy up for another second or two."""
    os._exit(0)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps a second process from the same stage: both would write the same temporary files.

    Such a one is left when only the DVC above it was killed. The lock ends with the process, however that ends. What
    torchrun starts needs none, nor what was sent to a cluster. Raises UserError where another process has it.
    """
    if "RANK" in os.environ or sent():
        yield
        return
    name = "-".join([Path(sys.argv[0]).stem, *sys.argv[1:2]]).replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process runs {name} here; wait until it has ended, or stop it") from None
        os.set_inheritable(file.fileno(), True)  # by a launcher that takes this process's place
        yield


def argument(what: str, allowed: Collection[str]) -> str:
    """The one argument of a stage script, which must be among `allowed`."""
    if len(sys.argv) != 2 or sys.argv[1] not in allowed:
        got = " ".join(sys.argv[1:]) or "nothing"
        raise UserError(f"{Path(sys.argv[0]).stem} takes {what}, got {got}; must be one of {', '.join(allowed)}")
    return sys.argv[1]


def log(line: str) -> None:
    """Prints a line of progress at once; outputs never hold times, only these lines do."""
    print(line, flush=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` when the block ends well.

    Whatever interrupts the block, `path` is either the old file or the whole new one. A cached
    file that DVC hard-linked is replaced, never written into. Raises UserError when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with room(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for the time of the block. Raises UserError when the disk is full."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    try:
        with room(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Says in one line that the disk is full when writing to `path` ends so."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = error.filename or path
        raise UserError(f"{where} can't be written: {error.strerror}; make room there and run it again") from None
