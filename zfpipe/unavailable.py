"""Results that can't be had with these parameters or pictures: the reason stands in their place."""

from pathlib import Path

NAME = "unavailable.txt"


def settle(folder: Path, reason: str | None) -> bool:
    """Notes why nothing else will stand in the folder, and says whether so; None: something will."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).unlink(missing_ok=True)
    if reason is not None:
        (folder / NAME).write_text(reason + "\n")
    return reason is not None


def reason(folder: Path) -> str | None:
    """Why there is nothing in the folder; None: there is."""
    path = folder / NAME
    return path.read_text().strip() if path.exists() else None
