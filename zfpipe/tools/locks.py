"""Compare two runs: their records in dvc.lock, and the numbers of their tables.

The bytes depend on the kind of CPU and on torch's number of threads (docs/methods.md). Between two kinds of CPU, or on
a GPU, trained networks differ as much as with two seeds, and only the numbers can be compared.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from zfpipe.errors import UserError

LOCK = Path("dvc.lock")
Lock = Mapping[str, Mapping[str, Any]]
"""The stages in a dvc.lock: command, deps, params and outs of each."""
MEAN, LARGEST = 5.0, 15.0
"""Largest mean difference and largest difference in points between two runs whose bytes can't be equal.

Top-1 errors of the default run's five seeds were 2.9 points apart on average and 5.9 at most with AVX-512, 4.4 and 9.4
with AVX2.
"""
TABLES = ("metrics/*.json", "reports/tables/*.csv")
SHARES = {"table1.csv"}
"""Tables with shares of one, like the metrics; other tables are in %."""


@dataclass(frozen=True)
class Compared:
    """A stage in two runs: the inputs (files, parameters, command) and the outs that differ."""

    stage: str
    inputs: list[str]
    outs: list[str]

    def __str__(self) -> str:
        if not self.outs:
            return f"equal    {self.stage}"
        inputs = f"other inputs: {', '.join(self.inputs)}" if self.inputs else "equal inputs"
        return f"differs  {self.stage}: {', '.join(self.outs)}; {inputs}"


def read_lock(folder: Path) -> Lock:
    """Read the record of the run in `folder`. Raise UserError if nothing has run."""
    if not (folder / LOCK).exists():
        raise UserError(f"{folder / LOCK} not found; must be in the folder of a project in which `dvc repro` has run")
    return stages((folder / LOCK).read_text())


def stages(lock: str) -> Lock:
    """Return the stages in the text of a dvc.lock."""
    return YAML(typ="safe").load(lock)["stages"]


def compare(run: Lock, other: Lock) -> list[Compared]:
    """Compare every stage of either run, in the order of the first run, in which stages follow their inputs."""
    found = []
    for name in {**run, **other}:
        one, two = run.get(name, {}), other.get(name, {})
        found.append(Compared(name, unequal(inputs(one), inputs(two)), unequal(outs(one), outs(two))))
    return found


def inputs(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return by name everything that a stage's outs are made from."""
    params = {name: value for file in entry.get("params", {}).values() for name, value in file.items()}
    return {"cmd": entry.get("cmd")} | hashes(entry.get("deps", [])) | params


def outs(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hash of each of a stage's outs."""
    return hashes(entry.get("outs", []))


def hashes(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return hashes by path."""
    return {file["path"]: file.get("md5") for file in files}


def unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names whose values differ, or that only one side has."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def equal(compared: Sequence[Compared]) -> bool:
    """Return True if every stage has the same outputs in both runs."""
    return not any(stage.outs for stage in compared)


def verdict(compared: Sequence[Compared]) -> list[str]:
    """Say how many stages differ, which differs first, and which is the first that differs despite equal inputs."""
    differ = [stage for stage in compared if stage.outs]
    if not differ:
        changed = [stage for stage in compared if stage.inputs]
        lines = [f"equal to the byte: every output of {len(compared)} stages"]
        return lines + [f"though {s.stage} had other inputs: {', '.join(s.inputs)}" for s in changed[:1]]
    first = differ[0]
    lines = [f"{len(differ)} of {len(compared)} stages differ; the first is {first.stage}: {', '.join(first.outs)}"]
    culprits = [stage.stage for stage in differ if not stage.inputs]
    if culprits:
        return [*lines, f"the first that makes different outputs from equal inputs is {culprits[0]}"]
    return [
        *lines,
        f"no stage makes different outputs from equal inputs; {first.stage} had other {', '.join(first.inputs)}",
    ]


def distances(run: Path, other: Path) -> dict[str, float]:
    """Return by place how many points each measured number of one folder's tables differs from the other's.

    The difference is infinite if only one side is a number.
    """
    cells, others = (measured(folder) for folder in (run, other))
    found = {}
    for place in {**cells, **others}:
        one, two = cells.get(place, ""), others.get(place, "")
        if isinstance(one, float) and isinstance(two, float):
            found[place] = abs(one - two)
        elif one != two:
            found[place] = float("inf")
    return found


def measured(folder: Path) -> dict[str, float | str]:
    """Return the measured numbers in points, or the words in their place, by file and place in the file."""
    found: dict[str, float | str] = {}
    for path in sorted(path for pattern in TABLES for path in folder.glob(pattern)):
        scale = 100 if path.suffix == ".json" or path.name in SHARES else 1
        for place, cell in json_cells(path) if path.suffix == ".json" else csv_cells(path):
            try:
                found[f"{path.relative_to(folder)}: {place}"] = scale * float(cell)
            except ValueError:
                found[f"{path.relative_to(folder)}: {place}"] = cell
    return found


def csv_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each measured number of a table; the text is empty without a number."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield f"{row['group']} {row['row']}, {row['column']}, {row['part']}".strip(), row["value"]


def json_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each share in a metrics file."""
    for name, value in json.loads(path.read_text()).items():
        for key, share in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(share, float):
                yield f"{name} {key}".strip(), str(share)
