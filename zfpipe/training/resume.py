"""State of an unfinished training run, kept outside DVC under the hash of everything that determines the run."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from zfpipe import stage, store

CODE = ("beton", "network", "processes", "reading", "training")
"""The packages that decide how a network is trained."""


class ResumeState:
    """A folder that holds the state after the last finished epoch.

    `determines` is everything that determines the run, as plain JSON values: a changed parameter, image
    or line of code gives another folder, so that a wrong state is never resumed.
    """

    @classmethod
    def of(cls, parent: Path, device: torch.device, **determines: Any) -> "ResumeState":
        """The state of a run with these parameters and betons, with this code, torch and kind of device."""
        here = {"code": source_hash(*CODE), "torch": torch.__version__, "device": device.type}
        return cls(parent, determines | here)

    def __init__(self, parent: Path, determines: dict[str, Any]):
        text = json.dumps(determines, sort_keys=True)
        self.folder = parent / hashlib.sha256(text.encode()).hexdigest()[:32]
        self.file = self.folder / "state.pt"
        self.snapshots = self.folder / "snapshots"

    def load(self) -> dict[str, Any] | None:
        """The last saved state, or None when there is none; one that can't be read counts as none."""
        if not self.file.exists():
            return None
        try:
            return torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever torch makes of a damaged file: training starts afresh
            stage.log(f"training state can't be read ({type(error).__name__}): starting from the first epoch")
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the saved state at once."""
        with store.whole(self.file) as temporary:
            torch.save(state, temporary)

    def keep(self, epoch: int, weights: bytes) -> None:
        """Keeps the weights of an epoch for Fig. 4 until the run completes."""
        store.save(self.snapshots / f"{epoch:04d}.safetensors", weights)

    def hand_over(self, folder: Path) -> None:
        """Copies what `keep` kept to a folder, which is there afterwards in any case."""
        self.snapshots.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.snapshots, folder, dirs_exist_ok=True)

    def remove(self) -> None:
        """Deletes the state of a run that has completed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def source_hash(*folders: str) -> str:
    """A hash of the code in some folders of zfpipe, as part of what determines a run."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
