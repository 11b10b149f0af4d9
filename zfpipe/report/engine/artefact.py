"""What every figure and table of the report is, and where its numbers come from."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from zfpipe import store, unavailable
from zfpipe.errors import UserError
from zfpipe.report import artefacts

Data = Mapping[str, Any]
"""What an artefact is made from: tables and arrays by the names of their files. Tests build one as a dict."""
FORMATS = {".csv": "CSV", ".json": "JSON", ".parquet": "Parquet", ".safetensors": "safetensors"}


def present(path: Path, stage: str) -> Path:
    """Return a path. Raise UserError where it is missing, with a stage that makes it or needs it."""
    if not path.exists():
        raise UserError(f"{path} not found; make it: dvc repro {stage}")
    return path


class Folder(dict[str, Any]):
    """The files of a stage's folder by their names. Each is read when it is first asked for."""

    def __init__(self, path: Path, stage: str):
        super().__init__()
        self.path, self.stage = path, stage

    @property
    def absent(self) -> str | None:
        """Return why the stage had no results, or None."""
        return unavailable.reason(self.path)

    def __bool__(self) -> bool:
        """Return whether there are results, read or not."""
        return self.absent is None

    def __missing__(self, name: str) -> Any:
        """Read a file. Raise UserError where the file is missing or can't be read."""
        path = present(self.path / name, self.stage)
        try:
            self[name] = store.load(path)
        except ValueError as error:
            raise UserError(f"{path} can't be read: {error}; make it again: dvc repro {self.stage}") from None
        return self[name]


@dataclass(frozen=True)
class Artefact:
    """A figure or table: what a module of `zfpipe/report/artefacts/` calls `ARTEFACT`.

    `caption` says in our words what it shows, `paper` what the paper says about it; empty: the paper does not have it.
    `folder` is what it reads. `made_by` names the stages, last first. `printed` says which numbers the paper prints
    with it. `parameters` are the sections and fields of params.yaml that shape it. `results` are files of the folder
    to look at, and what they are. `place` is where the page has it, if not at its name.
    """

    name: str
    section: str
    title: str
    caption: str
    paper: str
    folder: Path
    made_by: tuple[str, ...]
    printed: str = "All published numbers stand in the table."
    parameters: tuple[str, ...] = ()
    results: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    @property
    def kind(self) -> str:
        """`Figure`, `Table` or `Section`."""
        return self.name.partition(" ")[0]

    @property
    def number(self) -> str:
        """`2` of `Figure 2`."""
        return self.name.partition(" ")[2]

    @property
    def anchor(self) -> str:
        """The artefact's place on the page."""
        return self.place or self.name.lower().replace(" ", "-")

    @property
    def files(self) -> dict[str, str]:
        """The results by their paths, and in words what they are and in which format."""
        return {
            (self.folder / name).as_posix(): f"{words} ({FORMATS[Path(name).suffix]})"
            for name, words in self.results.items()
        }

    def data(self) -> Folder:
        """Return the files that the artefact reads."""
        return Folder(self.folder, self.made_by[0])


@dataclass(frozen=True)
class Details:
    """A table of words and numbers below a figure. `open` says whether the page shows it at once."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    open: bool = False


def module(stem: str) -> ModuleType:
    """Return an artefact's module, such as that of `fig7b`."""
    return importlib.import_module(f"{artefacts.__name__}.{stem}")


def numbers(kind: str) -> list[str]:
    """Return the numbers of all figures (`fig`) or tables (`table`), by the names of their modules."""
    return [stem.removeprefix(kind) for stem in sorted(stems()) if stem.startswith(kind)]


def stems() -> list[str]:
    """Return the names of all artefacts' modules."""
    return [info.name for info in pkgutil.iter_modules(artefacts.__path__)]


def modules() -> list[ModuleType]:
    """Return the modules of all artefacts: figures, tables, others, each in the order of their numbers."""

    def order(one: ModuleType) -> tuple[int, int, str]:
        kind, number = one.ARTEFACT.kind, one.ARTEFACT.number
        return ("Figure", "Table", "Section").index(kind), len(number.rstrip("abc")), number  # 7, 7b, 10

    return sorted(map(module, stems()), key=order)
