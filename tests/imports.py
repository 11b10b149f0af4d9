"""Find what a stage script reads: the modules that it imports, also indirectly, and the sections of params.yaml."""

import ast
import gc
from functools import cache
from pathlib import Path

from zfpipe import params, paths

ROOT = Path(__file__).parent.parent
PLUMBING = {f"zfpipe/{path.name}" for path in (ROOT / "zfpipe").glob("*.py")} - {"zfpipe/__init__.py"}
"""The modules directly in zfpipe/, which no stage depends on."""


def file_of(module: str) -> Path | None:
    """Return the file of a module of the project, or None for other modules and for packages, whose files are empty."""
    path = ROOT / (module.replace(".", "/") + ".py")
    return path if path.exists() else None


@cache
def direct(path: Path) -> frozenset[Path]:
    """Return the project's files that a file imports, except modules loaded by name with importlib."""
    found: set[Path] = set()
    gc.disable()  # Python 3.11's parser raises SystemError if hypothesis' callback of the garbage collector runs within
    try:
        tree = ast.parse(path.read_text())
    finally:
        gc.enable()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {file for name in names if name.startswith("zfpipe") and (file := file_of(name))}
    return frozenset(found)


def closure(*starts: Path) -> set[str]:
    """Return the files that some files import, directly or indirectly, and these files, relative to the root."""
    seen: set[Path] = set()
    todo = list(starts)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(direct(path))
    return {path.relative_to(ROOT).as_posix() for path in seen}


def sections(stage: Path) -> set[str]:
    """Return the sections that a stage script reads from `settings = params.load()`, directly or in what it calls.

    `variant(settings, run)`, `settings.trained_elsewhere(run)` and `settings.own_runs` read the runs' entries and their
    bases, written `runs` here. `settings.own(PROBE.Settings)` reads the section of that probe. `Subject.open(settings)`
    reads the sizes of images and crops and a run, `page.render(settings)` everything.
    """
    tree = ast.parse(stage.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in WHOLE and node.attr != "own":
            found.add("runs" if node.attr in ("trained_elsewhere", "own_runs") else node.attr)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= CALLS.get(called, set())
            if called in [f"{whole}.own" for whole in WHOLE]:
                found.add(ast.unparse(node.args[0]).removesuffix(".Settings"))
    return found


WHOLE = ("settings", "params.load()")
"""How a stage script writes the whole of the parameters."""
CALLS = {
    "variant": {"runs"},
    "Subject.open": {"betons", "crops", "runs"},
    "page.render": set(params.load(ROOT / paths.PARAMS).model_dump())
    - {"watch"},  # `watch` decides what runs, not what is found
}
"""Functions that take the whole of the parameters, and the sections that each function reads."""
