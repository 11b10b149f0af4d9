"""State of an unfinished training run, stored outside DVC under a hash of everything that determines the run."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from zfpipe import stage, store

CODE = ("beton", "network", "processes", "reading", "training")
"""The packages that determine how a network is trained."""


class ResumeState:
    """A folder that holds the state after the last finished epoch.

    `determines` is everything that determines the run, as plain JSON values. A changed parameter, image or line of code
    gives another folder, so a state never belongs to another run.
    """

    @classmethod
    def of(cls, parent: Path, device: torch.device, **determines: Any) -> "ResumeState":
        """Return the state of a run with these parameters and betons, and the present code, torch and device."""
        here = {"code": source_hash(*CODE), "torch": torch.__version__, "device": device.type}
        return cls(parent, determines | here)

    def __init__(self, parent: Path, determines: dict[str, Any]):
        text = json.dumps(determines, sort_keys=True)
        self.folder = parent / hashlib.sha256(text.encode()).hexdigest()[:32]
        self.file = self.folder / "state.pt"
        self.snapshots = self.folder / "snapshots"

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None if there is none or if the file can't be read."""
        if not self.file.exists():
            return None
        try:
            return torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch can raise anything for a damaged file; training then starts again
            stage.log(f"training state can't be read ({type(error).__name__}): starting from the first epoch")
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Save the state in place of the last one."""
        with store.whole(self.file) as temporary:
            torch.save(state, temporary)

    def keep(self, epoch: int, weights: bytes) -> None:
        """Keep the weights of an epoch for Fig. 4 until the run completes."""
        store.save(self.snapshots / f"{epoch:04d}.safetensors", weights)

    def hand_over(self, folder: Path) -> None:
        """Copy all kept weights to `folder`, which is created even if there are none."""
        self.snapshots.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.snapshots, folder, dirs_exist_ok=True)

    def remove(self) -> None:
        """Delete the state; for a run that has completed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def source_hash(*folders: str) -> str:
    """Return a hash of the code in some packages of zfpipe."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
