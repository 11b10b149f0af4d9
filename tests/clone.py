"""Clone the project as a new user would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.imports import ROOT

BIN = Path(sys.executable).parent


class Clone:
    """Hold a copy of the project's files in its own repository, in which nothing has run.

    The committed dvc.lock is left out: DVC reads and writes all of dvc.lock for each stage, which takes seconds.
    """

    def __init__(self, folder: Path, workers: int):
        listed = subprocess.check_output(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
        )
        for name in listed.splitlines():
            if name != "dvc.lock" and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC_", "ZFPIPE_"))},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ZFPIPE_WORKERS": str(workers),
        }
        self.run("git", "init", "-q")
        self.run("python", "-m", "zfpipe", "profile", "smoke")
        self.commit()

    def run(self, *command: str, status: int = 0, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | (environment or {}),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2400,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "state")

    def lock(self) -> str:
        return (self.folder / "dvc.lock").read_text()
