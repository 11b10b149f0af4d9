"""Notice when code or parameters change while a stage runs.

DVC hashes code and parameters again after the command, and would record the changed ones as the cause of the outputs.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from zfpipe import paths

PACKAGE = Path(__file__).parent
STARTED = time.time()
"""Start of this process, before the project's tracked code is imported."""
READ = {".py", ".css", ".html", ".jinja"}
"""Suffixes of code files; other files belong to editors."""


class Guard:
    """The project's code and parameters at the start of a stage."""

    def __init__(self) -> None:
        self.code = {path: digest(path) for path in code()}
        self.early = {path for path in self.code if STARTED < modified(path) <= time.time()}
        self.params = read(paths.PARAMS)

    def changed(self) -> str | None:
        """Return a changed file that this process uses, or a changed parameter of this stage, or else None."""
        loaded = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
        folders = {file.parent for file in loaded}
        for path, before in self.code.items():
            used = path in loaded if path.suffix == ".py" else path.parent in folders
            if used and (path in self.early or digest(path) != before):
                return os.path.relpath(path)
        after = read(paths.PARAMS)
        if after == self.params:
            return None
        name = next(unequal(self.params, after), None)
        return name and f"{paths.PARAMS}: {name}"


def code() -> Iterator[Path]:
    """Yield the files of the packages and the stage's script, all of which DVC tracks."""
    main = getattr(sys.modules["__main__"], "__file__", None)
    yield from (path for path in PACKAGE.glob("*/**/*") if path.suffix in READ and path.is_file())
    if main is not None:
        yield Path(main)


def digest(path: Path) -> str | None:
    """Return the hash of a file, or None if there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def modified(path: Path) -> float:
    """Return when a file was last written, or 0 if there is no file."""
    return path.stat().st_mtime if path.exists() else 0.0


def read(path: Path) -> str:
    """Return the text of a file, or "" if there is no file."""
    return path.read_text() if path.exists() else ""


def unequal(before: str, after: str) -> Iterator[str]:
    """Yield the parameters of this stage that differ between two texts of params.yaml.

    dvc.yaml names the parameters of a stage. If a stage runs without DVC, all parameters count.
    """
    try:
        old, new = (YAML(typ="safe").load(text) or {} for text in (before, after))
        names = declared() if "DVC_STAGE" in os.environ else [*old, *new]
    except YAMLError:
        yield "the whole file"
        return
    yield from (name for name in dict.fromkeys(names) if value(old, name) != value(new, name))


def declared() -> list[str]:
    """Return the parameters that dvc.yaml names for this stage."""
    from dvc.exceptions import DvcException  # takes a second; needed only if params.yaml has changed
    from dvc.repo import Repo

    try:
        stage = Repo().stage.load_one(name=os.environ["DVC_STAGE"])
    except DvcException as error:
        raise YAMLError(str(error)) from None
    return [name for dependency in stage.deps for name in getattr(dependency, "params", [])]


def value(tree: Any, name: str) -> Any:
    """Return a parameter by its dotted name, or None if there is none."""
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
