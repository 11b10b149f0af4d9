"""The frame around a stage's work: errors in one line, a lock, a guard against changes, and log lines with times."""

import fcntl
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from zfpipe.errors import UserError
from zfpipe.guard import Guard
from zfpipe.launch import launch, sent

RUNNING = Path(".zfpipe/running")
"""Folder with a lock file for each stage."""


Main = Callable[[], Callable[[], None] | None]
"""A stage's work. It may return a function to call after all outputs are written and checked."""


def run(main: Main) -> None:
    """Run a stage and end the process. A user's mistake ends the process with one line and status 1.

    If code or a parameter changed meanwhile, the process ends with an error too, so that DVC records nothing. Then the
    function that `main` returned is called; it deletes training state that another attempt would have needed.
    """
    start = time.perf_counter()
    try:
        guard = Guard()
        with alone(RUNNING):
            launch()
            settle = main()
            if changed := guard.changed():
                raise UserError(
                    f"{changed} changed while this ran, so nothing is recorded; put it back and run again, "
                    "or run again with the change"
                )
            if settle is not None:
                settle()
    except UserError as error:
        sys.exit(f"zfpipe: {error}")
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"zfpipe: {where}{error.strerror}")
    except RuntimeError as error:
        if words := of_gpu(error):
            sys.exit(f"zfpipe: {words}")
        raise
    log(f"done in {time.perf_counter() - start:.1f} s")
    leave()


def of_gpu(error: RuntimeError) -> str | None:
    """Return a GPU's error in one line for the user, or None for another error. Does not import torch."""
    if type(error).__name__ == "OutOfMemoryError":
        return "the GPU's memory is full; lower training.batch, run fewer --jobs, or use ZFPIPE_DEVICE=cpu"
    words = next(iter(str(error).strip().splitlines()), "")
    if type(error).__name__ == "AcceleratorError" or re.search(r"\b(CUDA|cuDNN|cuBLAS|NCCL|NVIDIA)\b", words):
        return f"the GPU failed: {words[:300]}; run the stage again, or use ZFPIPE_DEVICE=cpu"
    return None


def leave() -> None:
    """End the process at once: all outputs are on disk, and torch would need a second or two to clean up."""
    os._exit(0)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a stage: a second process would write the same temporary files.

    Such a process is left over if only the DVC above it was killed. The lock ends with the process. Processes of
    torchrun or a launcher need none: their parent holds the lock. Raises UserError if another process holds the lock.
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
        os.set_inheritable(file.fileno(), True)  # a launcher that replaces this process keeps the lock
        yield


def argument(what: str, allowed: Collection[str]) -> str:
    """Return the only argument of a stage script. Raises UserError unless the argument is among `allowed`."""
    if len(sys.argv) != 2 or sys.argv[1] not in allowed:
        got = " ".join(sys.argv[1:]) or "nothing"
        raise UserError(f"{Path(sys.argv[0]).stem} takes {what}, got {got}; must be one of {', '.join(allowed)}")
    return sys.argv[1]


def log(line: str) -> None:
    """Print a line of progress at once. Only log lines hold times, never outputs."""
    print(line, flush=True)
