"""Write the paper's tables: printed rows next to ours, as CSV for programs and as text for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import ModuleType

import jinja2
import pandas as pd

from zfpipe import store
from zfpipe.report.engine.artefact import Artefact
from zfpipe.report.engine.measure import NOTHING, Measure, number, percent
from zfpipe.sections import Run

RAN, NOT_RUN, OTHERS = "measured", "not run", "published by others"  # the status of a row
UNAVAILABLE = "not available"
TEX = {
    "\\": r"$\backslash$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\~{}", "^": r"\^{}", "<": "$<$", ">": "$>$", "|": "$|$", "∗": r"$^{*}$", "–": "--", "−": "$-$",
    "×": r"$\times$", "±": r"$\pm$", "Δ": r"$\Delta$",
}  # fmt: skip
COLUMNS = (
    "group", "row", "column", "status", "run", "published", "published_deviation", "part", "value", "low", "high",
    "deviation", "n", "over", "difference",
)  # fmt: skip
"""Columns of a table for programs."""

Runs = Mapping[str, Run]
Printed = float | tuple[float, float] | None
"""A number as the paper prints it, with its uncertainty if the paper prints one; None for a dash."""


@dataclass(frozen=True)
class Row:
    """A row as printed. The paper's inconsistencies are not corrected.

    `run` is our run or ensemble that measures the same, as named in params.yaml. `others` marks numbers that the paper
    quotes from other groups. `group` is the title above the row.
    """

    name: str
    values: tuple[Printed, ...]
    run: str | None = None
    others: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table as printed: `columns` name the values of each row, in `unit`, printed with `decimals` decimals."""

    unit: str
    decimals: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """Return the row with this name or this run."""
        return next(row for row in self.rows if name in (row.name, row.run))

    def printed(self, name: str, column: str) -> float:
        """Return a printed number without its uncertainty, by the name of its row or run."""
        value, _ = parted(self.row(name).values[self.columns.index(column)])
        assert value is not None, f"the paper prints no {column} of {name}"
        return value


def parted(printed: Printed) -> tuple[float | None, float | None]:
    """Return a printed number and its uncertainty."""
    return printed if isinstance(printed, tuple) else (printed, None)


@dataclass(frozen=True)
class Line:
    """A row of a table with our numbers: for each `part` (`ours` and others) a number or None in each column."""

    row: Row
    status: str = RAN
    ours: Mapping[str, Sequence[Measure | None]] = field(default_factory=dict)

    def measured(self, part: str, place: int) -> Measure | None:
        """Return our number of a part and column, or None."""
        values = self.ours.get(part, ())
        return values[place] if place < len(values) else None


@dataclass(frozen=True)
class Filled:
    """A table of the paper with our numbers. `notes` say what a reader must know to compare.

    `parts` are the columns next to the published one: `ours`, `difference`, and the lines' other parts. `lacks` are the
    paper's columns without a number of ours; `quoted` are its columns from other groups, which need no number of ours.
    """

    table: Table
    lines: Sequence[Line]
    notes: Sequence[str]
    parts: Sequence[str] = ("ours", "difference")
    lacks: Sequence[str] = ()
    quoted: Sequence[str] = ()

    def split(self, column: str) -> list[str]:
        """Return the parts that a column of the paper splits into; without a number of ours there is no difference."""
        lacking = self.parts if column in self.quoted else ["difference"] if column in self.lacks else []
        return ["published", *(part for part in self.parts if part not in lacking)]

    @property
    def width(self) -> int:
        """Number of cells of a row without its name."""
        return sum(len(self.split(column)) for column in self.table.columns)

    def cell(self, line: Line, column: str, part: str) -> str:
        """Return a cell as text for people."""
        place, decimals = self.table.columns.index(column), self.table.decimals
        if part == "published":
            value, uncertainty = parted(line.row.values[place])
            if uncertainty is None:
                return number(value, decimals)
            finer = len(f"{uncertainty:g}".partition(".")[2])
            return f"{number(value, decimals)} ± {number(uncertainty, max(decimals, finer))}"
        if part == "difference":
            return number(self.difference(line, place), decimals, sign=True)
        if found := line.measured(part, place):
            return found.plus_minus(decimals)
        if line.status == RAN or (line.status == NOT_RUN and column in self.lacks):
            return UNAVAILABLE
        return NOT_RUN if line.status == NOT_RUN else NOTHING

    def difference(self, line: Line, place: int) -> float | None:
        """Return ours minus the published number, both rounded as shown, so that readers can check the subtraction."""
        found, (printed, _) = line.measured("ours", place), parted(line.row.values[place])
        return None if found is None or printed is None else round(found.value, self.table.decimals) - printed

    def body(self) -> Iterator[tuple[str, list[tuple[str, str]], str]]:
        """Yield rows: a name, the cells in order with their parts, and the status; a group's title has no cells."""
        group = ""
        for line in self.lines:
            if line.row.group != group:
                group = line.row.group
                yield group, [], "group"
            columns = [(column, part) for column in self.table.columns for part in self.split(column)]
            yield line.row.name, [(part, self.cell(line, column, part)) for column, part in columns], line.status

    def records(self) -> pd.DataFrame:
        """Return the table for programs: a row for each row, column and part of ours, all numbers as numbers."""
        found, parts = [], [part for part in self.parts if part != "difference"]
        for line in self.lines:
            run = (line.row.run or "zfnet") if line.status == RAN and line.ours else ""
            head = {"group": line.row.group, "row": line.row.name, "status": line.status, "run": run}
            for place, (column, printed) in enumerate(zip(self.table.columns, line.row.values, strict=True)):
                published = dict(zip(("published", "published_deviation"), parted(printed), strict=True))
                for part in [""] if column in self.quoted else parts:
                    one = line.measured(part, place)
                    ours = asdict(one) if one else {}
                    if part == "ours" and "difference" in self.parts:
                        ours["difference"] = self.difference(line, place)
                    found.append(ours | head | published | {"column": column, "part": part})
        return pd.DataFrame(found, columns=COLUMNS).astype({"n": "Int64"})


HERE = jinja2.FileSystemLoader(Path(__file__).parent)
TEMPLATES = jinja2.Environment(
    loader=HERE, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
)
TEMPLATES.filters |= {"number": number, "percent": percent, "sentence": lambda words: words[:1].upper() + words[1:]}
TEMPLATES.filters["tex"] = lambda words: words.translate(str.maketrans(TEX))


def fill(module: ModuleType, runs: Runs) -> Filled:
    """Return the table of an artefact's module with our numbers; if there are none, its notes say why."""
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
