"""Results that are not available with these parameters or images: a file with the reason replaces them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zfpipe import store

NAME = "unavailable.txt"


class UnavailableError(Exception):
    """The reason why a probe has no results with these parameters or images, as a clause for the report."""


def save(folder: Path, measure: Callable[[], Mapping[str, Any]]) -> None:
    """Write the values of `measure` into `folder` by file name, or the reason if it raises UnavailableError.

    Of several processes, only the first writes.
    """
    first = os.environ.get("RANK", "0") == "0"
    if first:
        (folder / NAME).unlink(missing_ok=True)
    try:
        found = measure()
    except UnavailableError as reason:
        if first:
            store.save(folder / NAME, f"{reason}\n")
    else:
        if first:
            store.save_all(folder, found)


def reason(folder: Path) -> str | None:
    """Return why a folder has no results, or None if it has results."""
    path = folder / NAME
    return path.read_text().strip() if path.exists() else None
