"""Results that can't be had with these parameters or images: the reason stands in their place."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zfpipe import store

NAME = "unavailable.txt"


class UnavailableError(Exception):
    """Why a probe has no results with these parameters or images, as a clause for the report."""


def save(folder: Path, measure: Callable[[], Mapping[str, Any]]) -> None:
    """Write what `measure` returns, values by file name, into `folder`; if it raises UnavailableError, the reason.

    Of processes that share a stage the first alone writes.
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
    """Return why there is nothing in the folder, or None where there is something."""
    path = folder / NAME
    return path.read_text().strip() if path.exists() else None
