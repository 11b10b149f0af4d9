"""`dvc.yaml` against the code: each stage names exactly the modules it imports and the parameters it reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT, closure, sections
from zfpipe import params, paths
from zfpipe.params import Targets

DAG = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
SETTINGS = params.load(ROOT / "params.yaml")
BASES = {"model", "alexnet"}
RESOURCES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zfpipe/report").glob("*.*") if path.suffix != ".py"}
"""The pages and their style: read, not imported."""


def stages() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Every stage's entry and the words that foreach puts in it, by its script's name."""
    found = {}
    for name, entry in DAG["stages"].items():
        if "foreach" in entry:
            words = entry["foreach"]
            given = {"${runs}": SETTINGS.runs, "${targets}": Targets.model_fields}
            found[name] = (entry["do"], list(given.get(str(words), words)))
        else:
            found[name] = (entry, [""])
    return found


def script(entry: dict[str, Any]) -> Path:
    return ROOT / (entry["cmd"].split()[2].replace(".", "/") + ".py")


def by_name(name: str, word: str) -> list[Path]:
    """The modules that a stage loads by name, with importlib."""
    return {
        "figure": [ROOT / f"zfpipe/report/figures/fig{word}.py"],
        "table": [ROOT / f"zfpipe/report/tables/table{word}.py"],
    }.get(name, [])


@pytest.mark.parametrize("name", list(DAG["stages"]))
def test_a_stage_names_the_modules_it_imports(name: str) -> None:
    """A foreach stage names what any of its items imports; a module named after the item stands for all of them."""
    entry, words = stages()[name]
    declared = {
        dep.replace("${item}", word).replace("${key}", word) for dep in entry["deps"] if is_code(dep) for word in words
    }
    imported = closure(script(entry), *(path for word in words for path in by_name(name, word)))
    if {"${pictures.root}", "${item.root}"} & set(entry["deps"]):  # a folder, named by the parameter
        imported = {file for file in imported if not file.startswith(f"{SETTINGS.pictures.root}/")}
    assert sorted(declared - RESOURCES) == sorted(imported), "dvc.yaml must list exactly these modules:\n" + "\n".join(
        f"        - {file}" for file in sorted(imported)
    )


def is_code(dep: str) -> bool:
    return dep.startswith(("stages/", "zfpipe/"))


@pytest.mark.parametrize("name", list(DAG["stages"]))
def test_a_stage_names_the_parameters_it_reads(name: str) -> None:
    entry, _ = stages()[name]
    declared = {str(param) for param in entry.get("params", [])}
    read = sections(script(entry))
    for target in [param for param in declared if param.startswith("targets.")]:
        declared = declared - {target} | {"targets"}
    if "runs" in read:  # a run is its own entry and the base it names
        runs = {param for param in declared if param.startswith("runs.") or param == "runs"}
        assert runs, "a stage that reads a run must name it"
        read.remove("runs")
        declared -= runs | {"${item.base}"} | BASES
        for run in runs - {"runs", "runs.${key}"}:
            assert SETTINGS.runs[run.removeprefix("runs.")].base in entry["params"]
    assert sorted(declared) == sorted(read)


def test_every_script_is_a_stage_and_every_out_is_cached() -> None:
    scripts = {script(entry).name for entry, _ in stages().values()}
    assert scripts == {path.name for path in (ROOT / "stages").glob("*.py")} - {"__init__.py"}
    for entry, _ in stages().values():
        for out in [*entry["outs"], *entry.get("metrics", [])] if "outs" in entry else entry.get("metrics", []):
            assert isinstance(out, str), f"{out} must be an ordinary cached out"


def test_plots_name_every_run() -> None:
    curves = [body for plot in DAG["plots"] if not isinstance(plot, str) for body in plot.values()]
    histories = {f"models/{run}/history.csv" for run in SETTINGS.runs}
    for column in ("val_error", "train_loss"):
        assert {path for body in curves for path, one in body["y"].items() if one == column} == histories
    colours = json.loads((ROOT / ".dvc/plots/runs.json").read_text())["encoding"]["color"]["scale"]["range"]
    assert max(len(body["y"]) for body in curves) <= len(set(colours)), "each has a colour of its own"
    assert {body["template"] for body in curves} == {"runs"}
    names = [name for plot in DAG["plots"] if not isinstance(plot, str) for name in plot]
    assert not any("'" in name for name in names), "DVC's page would leave such a plot out"
    assert all(body.keys() >= {"title", "x", "x_label", "y_label"} for body in curves)
    assert [plot for plot in DAG["plots"] if isinstance(plot, str)] == [paths.FIGURES.as_posix()]


def test_imports_go_one_way() -> None:
    order = ["pictures", "betons", "convnet", "training", "evaluation", "probes", "report"]
    for position, package in enumerate(order):
        for path in (ROOT / "zfpipe" / package).rglob("*.py"):
            for file in closure(path):
                if file == "zfpipe/network/architecture.py":
                    continue  # params, below all, checks networks with it
                parts = Path(file).parts
                assert parts[0] == "zfpipe", f"{path} imports a stage"
                if len(parts) > 2 and parts[1] in order:
                    later = order.index(parts[1]) > position
                    assert not later, f"{path} imports {file}, which comes later"


def test_drawing_starts_without_torch() -> None:
    for name in ("figure", "table", "report"):
        for file in closure(ROOT / f"stages/{name}.py", *(ROOT / "zfpipe/report").rglob("*.py")):
            text = (ROOT / file).read_text()
            assert "import torch" not in text, f"stages/{name}.py imports torch through {file}"
