"""Tables of the paper: the printed rows, ours beside them, written as CSV for programs and as words for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import jinja2
import pandas as pd

from zfpipe import store
from zfpipe.params import Run
from zfpipe.report.engine.artefact import Artefact
from zfpipe.report.engine.measure import NOTHING, Measure, number, percent

RAN, NOT_RUN, OTHERS = "measured", "not run", "published by others"
"""What a row can be."""
UNAVAILABLE = "not available"
TEX = {
    "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "∗": r"$^{*}$", "–": "--", "−": "$-$", "×": r"$\times$",
    "±": r"$\pm$", "Δ": r"$\Delta$",
}  # fmt: skip

Printed = float | tuple[float, float] | None
"""A number as the paper prints it, with its uncertainty where the paper prints one; None for a dash."""


@dataclass(frozen=True)
class Row:
    """A row as printed. Inconsistencies of the paper stay, nothing is corrected.

    `run` is our run or ensemble that measures the same thing, as named in params.yaml. `others` marks numbers that
    the paper quotes from other groups. `group` is the title that the row stands under.
    """

    name: str
    values: tuple[Printed, ...]
    run: str | None = None
    others: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table as printed: `columns` name the values of each row, in `unit`, printed with so many decimals."""

    unit: str
    decimals: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """Return the row of this name, or of this run. Raise KeyError where there is none."""
        for row in self.rows:
            if name in (row.name, row.run):
                return row
        raise KeyError(name)

    def printed(self, name: str, column: str | int) -> float:
        """Return a printed number without its uncertainty, by the name of its row or run."""
        place = self.columns.index(column) if isinstance(column, str) else column
        value = plain(self.row(name).values[place])
        assert value is not None, f"the paper prints no {column} of {name}"
        return value


def plain(printed: Printed) -> float | None:
    """Return a printed number without its uncertainty."""
    return printed[0] if isinstance(printed, tuple) else printed


@dataclass(frozen=True)
class Line:
    """A row of a table with our numbers: by `part` (`ours`, and others beside it), for each column one or None."""

    row: Row
    status: str = RAN
    ours: Mapping[str, Sequence[Measure | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Filled:
    """A table of the paper with our numbers in it. `notes` say what a reader has to know to compare.

    `parts` are the columns beside the published one: `ours`, `difference`, and what else the lines hold. Of the paper's
    columns, those that this run `lacks` have no number of ours, and those `quoted` from others don't ask for one.
    """

    table: Table
    lines: Sequence[Line]
    notes: Sequence[str]
    parts: Sequence[str] = ("ours", "difference")
    lacks: Sequence[str] = ()
    quoted: Sequence[str] = ()

    def split(self, column: str) -> list[str]:
        """Return what a column of the paper splits into; without a number of ours there is no difference."""
        if column in self.quoted:
            return ["published"]
        return ["published", *(part for part in self.parts if not (part == "difference" and column in self.lacks))]

    @property
    def width(self) -> int:
        """How many cells a row has beside its name."""
        return sum(len(self.split(column)) for column in self.table.columns)

    def cell(self, line: Line, column: str, part: str) -> str:
        """Return a cell as people read it."""
        place, decimals = self.table.columns.index(column), self.table.decimals
        printed = line.row.values[place] if place < len(line.row.values) else None
        if part == "published":
            if isinstance(printed, tuple):
                return f"{number(printed[0], decimals)} ± {number(printed[1], max(decimals, places(printed[1])))}"
            return number(printed, decimals)
        if part == "difference":
            return number(self.difference(line, place), decimals, sign=True)
        found = measured(line, part, place)
        if found is not None:
            return found.plus_minus(decimals)
        if line.status == RAN or (line.status == NOT_RUN and column in self.lacks):
            return UNAVAILABLE
        return NOT_RUN if line.status == NOT_RUN else NOTHING

    def difference(self, line: Line, place: int) -> float | None:
        """Return ours minus the published number, both as shown, so that a reader who subtracts finds the same."""
        found = measured(line, "ours", place)
        printed = plain(line.row.values[place]) if place < len(line.row.values) else None
        return None if found is None or printed is None else round(found.value, self.table.decimals) - printed

    def body(self) -> Iterator[tuple[str, list[tuple[str, str]], str]]:
        """Yield rows: a name, the cells in order with their parts, and the status; a group's title has no cells."""
        group = ""
        for line in self.lines:
            if line.row.group != group:
                group = line.row.group
                yield group, [], "group"
            cells = [
                (part, self.cell(line, column, part)) for column in self.table.columns for part in self.split(column)
            ]
            yield line.row.name, cells, line.status

    def records(self) -> pd.DataFrame:
        """Return the table for programs: a row for each row, column and part of ours, all numbers as numbers."""
        found = []
        for line in self.lines:
            for place, column in enumerate(self.table.columns):
                printed = line.row.values[place] if place < len(line.row.values) else None
                head = {"group": line.row.group, "row": line.row.name, "column": column, "status": line.status}
                head["run"] = (line.row.run or "zfnet") if line.status == RAN and line.ours else ""
                theirs = {"published": plain(printed)}
                theirs["published_deviation"] = printed[1] if isinstance(printed, tuple) else None
                for part in [""] if column in self.quoted else [part for part in self.parts if part != "difference"]:
                    one = measured(line, part, place)
                    ours = {} if one is None else {
                        name: getattr(one, name) for name in ("value", "low", "high", "deviation", "n", "over")
                    }  # fmt: skip
                    if part == "ours" and "difference" in self.parts:
                        ours["difference"] = self.difference(line, place)
                    found.append(head | theirs | {"part": part} | ours)
        return pd.DataFrame(found, columns=COLUMNS).astype({"n": "Int64"})


COLUMNS = (
    "group", "row", "column", "status", "run", "published", "published_deviation", "part", "value", "low", "high",
    "deviation", "n", "over", "difference",
)  # fmt: skip


def measured(line: Line, part: str, place: int) -> Measure | None:
    """Return our number of a part and column, or None."""
    values = line.ours.get(part, ())
    return values[place] if place < len(values) else None


def places(value: float) -> int:
    """Return how many decimals a printed number has."""
    return len(f"{value:g}".partition(".")[2])


def escaped(words: str) -> str:
    """Return words as LaTeX takes them."""
    return "".join(TEX.get(letter, letter) for letter in words)


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
TEMPLATES.filters |= {
    "tex": escaped,
    "number": number,
    "percent": percent,
    "sentence": lambda words: words[:1].upper() + words[1:],
}


def fill(module: ModuleType, runs: Mapping[str, Run]) -> Filled:
    """Return the table of an artefact's module with our numbers, or the reason why there are none in its notes."""
    data = module.ARTEFACT.data()
    if data.absent is None:
        return module.table(data, runs)
    return replace(module.table({}, runs), notes=[f"Not available: {data.absent}."])


def write(filled: Filled, artefact: Artefact, folder: Path) -> None:
    """Write a table as CSV, Markdown and LaTeX into the folder."""
    name = artefact.anchor.replace("-", "")
    store.save(folder / f"{name}.csv", filled.records())
    for suffix in ("md", "tex"):
        words = TEMPLATES.get_template(f"table.{suffix}.jinja").render(artefact=artefact, filled=filled)
        store.save(folder / f"{name}.{suffix}", words)
