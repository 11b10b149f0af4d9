"""Log which files of a project each stage opens. Every Python with this folder on PYTHONPATH imports this module.

Write a line for each opening to $ZFPIPE_OPENED/STAGE.PID: `r` or `w`, and the path from the project's root.
"""

import os
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LEFT_OUT = (".venv/", ".git/", ".dvc/", ".zfpipe/")
"""Folders whose files are not the project's own, or are state that DVC does not track."""


def log(log_file: int, root: str, event: str, arguments: tuple[Any, ...]) -> None:
    """Write a line for an event that opens or renames a file below `root`."""
    if isinstance(arguments[0] if arguments else 0, int):
        return
    if event == "open":
        path, mode, flags = arguments
        if mode is None and not flags & os.O_CREAT and not Path(root, os.fsdecode(path)).is_file():
            return  # `shutil.rmtree` opens folders, and names relative to an open folder
        kind = "w" if set(mode or "") & set("wax+") or (mode is None and flags & WRITING) else "r"
    elif event == "os.rename":
        path, kind = arguments[1], "w"
    else:
        return
    name = os.path.relpath(Path(root) / os.fsdecode(path), root)
    if name.startswith(("..", *LEFT_OUT)) or "__pycache__" in name or guarded():
        return
    os.write(log_file, f"{kind} {name}\n".encode())


def guarded() -> bool:
    """Return whether the guard opens the file: the guard reads all code, to see whether code changes."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("zfpipe/guard.py"):
            return True
        frame = frame.f_back
    return False


if "DVC_STAGE" in os.environ and "ZFPIPE_OPENED" in os.environ:
    place = Path(os.environ["ZFPIPE_OPENED"]) / f"{os.environ['DVC_STAGE'].replace('/', '-')}.{os.getpid()}"
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    here = str(Path.cwd())
    sys.addaudithook(lambda event, arguments: log(descriptor, here, event, arguments))
