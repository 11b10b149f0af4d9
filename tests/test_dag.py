"""Compare `dvc.yaml` with the code: each stage declares the modules, files and parameters that the stage reads.

A stage depends on packages, and uses the whole of each package. The modules directly in zfpipe/ are plumbing: they
decide how a stage runs, not what the stage computes, and no stage depends on them. This is sound for three reasons:

- Plumbing imports only plumbing, so that no code that computes hides behind plumbing.
- What plumbing decides, DVC tracks by other means: values by `params`, names of files by `deps` and `outs`.
- `test_store.py` checks byte for byte how `store` writes a file.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from tests.imports import CALLS, PLUMBING, ROOT, WHOLE, closure, direct, sections
from zfpipe import params, paths
from zfpipe.sections import TARGETS, Watched
from zfpipe.tools import profiles
from zfpipe.training.resume import CODE

DAG = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
SETTINGS = params.load(ROOT / "params.yaml")
BASES = {"model", "alexnet"}
TIGHT = ("train", "evaluate", "betons", "target", "harvest", "scratch")
"""Stages that take long. Each uses every module of the folders that the stage depends on."""
DRAWING = paths.DRAWING.as_posix()
"""The folder of the code that draws pictures.

A stage with a root among its deps depends on this folder if the root is this folder.
"""
STANDARD = sys.stdlib_module_names
WITHIN = {"zfpipe/store.py": {"numpy", "pandas", "pyarrow", "safetensors"}, "zfpipe/guard.py": {"dvc"}}
"""What plumbing may import within a function: `store` the libraries of its formats, `guard` DVC."""


def stages() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Return every stage's entry and the items of its foreach, by the name of the stage."""
    found = {}
    for name, entry in DAG["stages"].items():
        if "foreach" in entry:
            words = entry["foreach"]
            given = {
                "${runs}": SETTINGS.runs,
                "${targets}": TARGETS,
                "${watch}": get_args(Watched),
                "${overlap.sets}": ["another"],
            }
            found[name] = (entry["do"], list(given.get(str(words), words)))
        else:
            found[name] = (entry, [""])
    return found


STAGES = stages()


def script(entry: dict[str, Any]) -> Path:
    return ROOT / (entry["cmd"].split()[2].replace(".", "/") + ".py")


def by_name(name: str, word: str) -> list[Path]:
    """Return the modules that a stage loads by name, with importlib."""
    return {
        "figure": [ROOT / f"zfpipe/report/artefacts/fig{word}.py"],
        "table": [ROOT / f"zfpipe/report/artefacts/table{word}.py"],
        "claims": sorted((ROOT / "zfpipe/report/artefacts").glob("*.py")),
        "report": sorted((ROOT / "zfpipe/report/artefacts").glob("*.py")),
    }.get(name, [])


def code(name: str, word: str) -> list[str]:
    """Return the files and folders of code that an item of a stage declares."""
    entry, _ = STAGES[name]
    item = DAG["stages"][name].get("foreach", {})
    names = item.get(word, {}) if isinstance(item, dict) else {}
    known = {"item": word, "key": word} | {f"item.{field}": value for field, value in names.items()}
    declared = [re.sub(r"\$\{([\w.]+)\}", lambda found: known.get(found[1], found[0]), dep) for dep in entry["deps"]]
    return [dep for dep in declared if dep.startswith(("stages/", "zfpipe/"))]


def imported(name: str, word: str) -> set[str]:
    """Return the modules that an item of a stage imports, without plumbing."""
    entry, _ = STAGES[name]
    found = closure(script(entry), *by_name(name, word)) - PLUMBING
    roots = any("root}" in dep for dep in entry["deps"])
    return {file for file in found if not (roots and file.startswith(f"{DRAWING}/"))}


def within(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


@pytest.mark.parametrize("name", list(DAG["stages"]))
def test_a_stage_declares_what_it_imports_and_nothing_else(name: str) -> None:
    everything = set()
    for word in STAGES[name][1]:
        declared, found = code(name, word), imported(name, word)
        missing = sorted(file for file in found if not any(within(file, place) for place in declared))
        assert not missing, f"dvc.yaml, {name}: deps must name these too, or their folders: {', '.join(missing)}"
        everything |= found
    declared = {place for word in STAGES[name][1] for place in code(name, word)}
    idle = [place for place in declared if not any(within(file, place) for file in everything)]
    idle = [place for place in idle if Path(place).suffix in ("", ".py")]  # the style of a page is read, not imported
    assert not idle, f"dvc.yaml, {name}: no import reaches these deps: {', '.join(idle)}"


@pytest.mark.parametrize("name", TIGHT)
def test_a_stage_that_takes_long_uses_every_module_of_its_packages(name: str) -> None:
    for word in STAGES[name][1]:
        held = {
            path.relative_to(ROOT).as_posix()
            for place in code(name, word)
            for path in (ROOT / place).rglob("*.py")
            if path.name != "__init__.py"
        }
        assert held <= imported(name, word), f"{name} does not use all modules of its folders; split a folder"


def test_train_and_its_saved_state_depend_on_the_same_few_packages() -> None:
    declared = code("train", "")
    assert len(declared) <= 7
    assert {f"zfpipe/{package}" for package in CODE} == {place for place in declared if place.startswith("zfpipe/")}


def test_plumbing_imports_only_plumbing_and_light_libraries() -> None:
    for file in sorted(PLUMBING):
        path = ROOT / file
        tree = ast.parse(path.read_text())
        if path.name != "__main__.py":  # no stage imports the command line
            assert {one.relative_to(ROOT).as_posix() for one in direct(path)} <= PLUMBING, (
                f"{file} imports code that computes"
            )
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                for name in {name.partition(".")[0] for name in names}:
                    allowed = {"zfpipe", "pydantic", "ruamel", "shtab", *STANDARD} | (
                        WITHIN.get(file, set()) if node.col_offset else set()
                    )
                    assert name in allowed, f"{file} imports {name}"


def test_init_files_are_empty() -> None:
    """DVC would see a change in an `__init__.py`, but no import of a module would show that a stage uses it.

    The `__init__.py` of zfpipe holds the public names, and imports each only on first use.
    """
    top = ROOT / "zfpipe/__init__.py"
    for path in (*(ROOT / "zfpipe").rglob("__init__.py"), ROOT / "stages/__init__.py"):
        assert path == top or not path.read_text(), f"{path} must be empty"
    code = "import sys, zfpipe; print([name for name in sys.modules if name.startswith('zfpipe.') or name == 'torch'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["default", *profiles.summaries(ROOT / "profiles")])
def test_loading_adds_and_changes_no_parameter(name: str, tmp_path: Path) -> None:
    """DVC tracks the file, not what is loaded."""
    target = tmp_path / "params.yaml"
    target.write_text((ROOT / "params.yaml").read_text())
    if name != "default":
        profiles.apply(name, ROOT / "profiles", target)
    written = YAML(typ="safe").load(target.read_text())
    for run in written["runs"].values():
        run.setdefault("edit", {})
        run.setdefault("snapshots", [])
    assert params.load(target).model_dump(mode="json") == written


@pytest.mark.parametrize("name", list(DAG["stages"]))
def test_a_stage_names_the_parameters_it_reads(name: str) -> None:
    entry, _ = STAGES[name]
    declared = {str(param) for param in entry.get("params", [])}
    read = sections(script(entry))
    for part in [param for param in declared if param.startswith(("targets.", "overlap."))]:
        declared = declared - {part} | {part.partition(".")[0]}
    if "runs" in read:  # a run depends on its own entry and on the base that the entry names
        runs = {param for param in declared if param.startswith("runs.") or param == "runs"}
        assert runs, "a stage reads a run that its params do not name"
        read -= {"runs", *BASES}
        declared -= runs | {"${item.base}"} | BASES
        for run in runs - {"runs", "runs.${key}"}:
            assert SETTINGS.runs[run.removeprefix("runs.")].base in entry["params"]
    assert sorted(declared) == sorted(read)


def test_only_known_functions_take_all_parameters() -> None:
    """`tests/imports.py` knows the sections that these functions read."""
    for entry, _ in STAGES.values():
        for node in ast.walk(ast.parse(script(entry).read_text())):
            if isinstance(node, ast.Call) and any(ast.unparse(one) in WHOLE for one in node.args):
                assert ast.unparse(node.func) in CALLS, f"{script(entry).name}: {ast.unparse(node)}"
    assert sections(ROOT / "zfpipe/subject/subject.py") == CALLS["Subject.open"]


def test_every_script_is_a_short_stage_and_every_out_is_cached() -> None:
    scripts = {script(entry).name for entry, _ in STAGES.values()}
    assert scripts == {path.name for path in (ROOT / "stages").glob("*.py")} - {"__init__.py"}
    for entry, _ in STAGES.values():
        assert len(script(entry).read_text().splitlines()) <= 35, (
            f"{script(entry).name}: computation belongs in zfpipe/"
        )
        for out in [*entry.get("outs", []), *entry.get("metrics", [])]:
            flags = [] if isinstance(out, str) else [flag for flags in out.values() for flag in flags]
            assert set(flags) <= {"persist"}, f"{out} must be a cached out without flags other than persist"


def test_dvc_yaml_has_at_most_450_lines() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 450


def blast() -> dict[str, list[str]]:
    """Return the stages that each file of zfpipe reaches: stages that declare the file or a folder above it."""
    files = (ROOT / "zfpipe").rglob("*")
    names = sorted(
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts and path.stat().st_size
    )
    return {
        file: [
            stage
            for stage, (entry, words) in STAGES.items()
            if any(within(file, place) for word in words for place in code(stage, word))
            or (within(file, DRAWING) and any("root}" in dep for dep in entry["deps"]))
        ]
        for file in names
    }


def blast_table() -> str:
    """Return `docs/blast.md`: a row for each folder or file whose files reach the same stages."""
    reached = blast()
    rows: dict[str, list[str]] = {}
    for file, found in reached.items():
        folder = Path(file).parent.as_posix()
        together = {tuple(stages) for other, stages in reached.items() if within(other, folder)}
        rows[f"{folder}/" if len(together) == 1 and folder != "zfpipe" else file] = found
    lines = [f"| `{place}` | {', '.join(found) or 'none'} |" for place, found in rows.items()]
    return "\n".join([*BLAST_HEAD, *lines, ""])


BLAST_HEAD = [
    "# What runs again when a file changes",
    "",
    "Each file or folder of `zfpipe/`, and the stages of `dvc.yaml` that depend on it. Later stages run",
    "again only if the outputs of these stages change. `python -m tests.test_dag` writes this page.",
    "",
    "| file or folder | stages |",
    "|---|---|",
]


def test_the_blast_table_is_the_committed_one() -> None:
    assert (ROOT / "docs/blast.md").read_text() == blast_table(), "docs/blast.md is old; run python -m tests.test_dag"


def test_only_code_of_training_reaches_the_trainings() -> None:
    for file, reached in blast().items():
        trains, place = "train" in reached, Path(file).parts
        if file in PLUMBING or place[1] in ("report", "drawing", "pictures", "tools", "probes"):
            assert not trains and "evaluate" not in reached, f"{file} must not re-run a training"
        if place[1] in ("network", "reading", "training", "beton", "processes"):
            assert trains, f"{file} decides how a network is trained"
        if file in PLUMBING:
            assert not reached


def test_two_plots_give_each_run_a_colour() -> None:
    curves = [body for plot in DAG["plots"] if not isinstance(plot, str) for body in plot.values()]
    assert [list(body["y"].items()) for body in curves] == [
        [(paths.CURVES.as_posix(), "val_error")],
        [(paths.CURVES.as_posix(), "train_loss")],
    ]
    template = json.loads((ROOT / ".dvc/plots/runs.json").read_text())
    colours = template["spec"]["encoding"]["color"]["scale"]["range"]
    kinds = [curves_kind(run) for run in SETTINGS.runs]
    assert max(map(kinds.count, kinds)) <= len(set(colours)), "two runs of a plot have the same colour"
    assert {body["template"] for body in curves} == {"runs"}
    names = [name for plot in DAG["plots"] if not isinstance(plot, str) for name in plot]
    assert not any("'" in name for name in names), "DVC's page leaves out a plot with a quote in its name"
    assert [plot for plot in DAG["plots"] if isinstance(plot, str)] == [paths.FIGURES.as_posix()]


def curves_kind(run: str) -> str:
    from zfpipe.probes.curves import kind

    return kind(run, SETTINGS.runs)


ORDER = {
    "index": 0, "beton": 0, "drawing": 1, "pictures": 2, "reading": 2, "writing": 2, "network": 3, "deconvnet": 4,
    "occlusion": 4, "processes": 4, "subject": 5, "training": 5, "evaluation": 5, "anynet": 5,
    "foreign": 6, "probes": 6, "report": 7, "tools": 8, "microscope": 8,
}  # fmt: skip
"""The height of each package. A package imports only lower packages."""


def test_imports_go_down() -> None:
    for package, height in ORDER.items():
        for path in (ROOT / "zfpipe" / package).rglob("*.py"):
            for file in (one.relative_to(ROOT).as_posix() for one in direct(path)):
                parts = Path(file).parts
                assert parts[0] == "zfpipe", f"{path} imports a stage"
                if file not in PLUMBING and parts[1] != package:
                    assert ORDER[parts[1]] < height, f"{path} imports {file}, which is not a lower package"
    assert set(ORDER) == {path.name for path in (ROOT / "zfpipe").iterdir() if path.is_dir()} - {"__pycache__"}


def test_drawing_figures_starts_without_torch() -> None:
    drawn = [path for path in (ROOT / "zfpipe/report").rglob("*.py") if "atlas" not in path.parts]
    for name in ("figure", "table", "report"):
        for file in closure(ROOT / f"stages/{name}.py", *drawn):
            text = (ROOT / file).read_text()
            assert not re.search(r"^(import|from) torch\b", text, re.M), (
                f"stages/{name}.py imports torch through {file}"
            )


if __name__ == "__main__":
    (ROOT / "docs/blast.md").write_text(blast_table())
