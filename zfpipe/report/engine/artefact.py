"""Define figures and tables of the report, and read their numbers."""

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
"""An artefact's inputs: tables and arrays by file name. Tests build a dict."""
FORMATS = {".csv": "CSV", ".json": "JSON", ".parquet": "Parquet", ".safetensors": "safetensors"}


def present(path: Path, stage: str) -> Path:
    """Return a path. Raise UserError if the path is missing, and name a stage that makes or needs it."""
    if not path.exists():
        raise UserError(f"{path} not found; make it: dvc repro {stage}")
    return path


class Folder(dict[str, Any]):
    """The files of a stage's folder by name. Each file is read at its first use."""

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
        """Read a file. Raise UserError if the file is missing or can't be read."""
        path = present(self.path / name, self.stage)
        try:
            self[name] = store.load(path)
        except ValueError as error:
            raise UserError(f"{path} can't be read: {error}; make it again: dvc repro {self.stage}") from None
        return self[name]


@dataclass(frozen=True)
class Artefact:
    """A figure or table: the value of `ARTEFACT` in a module of `zfpipe/report/artefacts/`.

    `caption` says in our words what the artefact shows. `paper` is the paper's statement, empty if the paper lacks the
    artefact. `folder` is read. `made_by` names the stages, last first. `printed` says which numbers the paper prints.
    `parameters` are sections and fields of params.yaml that change the artefact. `results` are files of the folder for
    readers, with descriptions. `place` is the anchor on the page if it is not the name.
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
        """The artefact's anchor on the page."""
        return self.place or self.name.lower().replace(" ", "-")

    @property
    def files(self) -> dict[str, str]:
        """The results by path, each with its description and format."""
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
    """Return the numbers of all figures (`fig`) or tables (`table`), from their modules' names."""
    return [stem.removeprefix(kind) for stem in sorted(stems()) if stem.startswith(kind)]


def stems() -> list[str]:
    """Return the names of all artefacts' modules."""
    return [info.name for info in pkgutil.iter_modules(artefacts.__path__)]


def modules() -> list[ModuleType]:
    """Return the modules of all artefacts: figures, then tables, then others, each in numerical order."""

    def order(one: ModuleType) -> tuple[int, int, str]:
        kind, number = one.ARTEFACT.kind, one.ARTEFACT.number
        return ("Figure", "Table", "Section").index(kind), len(number.rstrip("abc")), number  # 7, 7b, 10

    return sorted(map(module, stems()), key=order)
