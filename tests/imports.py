"""What a stage script really reads: the modules it imports, on and on, and the sections of params.yaml it names."""

import ast
import gc
from functools import cache
from pathlib import Path

from zfpipe import params, paths

ROOT = Path(__file__).parent.parent
PLUMBING = {f"zfpipe/{path.name}" for path in (ROOT / "zfpipe").glob("*.py")} - {"zfpipe/__init__.py"}
"""The modules directly in zfpipe/, which are dependencies of no stage."""


def file_of(module: str) -> Path | None:
    """The file of one of the project's modules; packages are empty `__init__.py` files and count as nothing."""
    path = ROOT / (module.replace(".", "/") + ".py")
    return path if path.exists() else None


@cache
def direct(path: Path) -> frozenset[Path]:
    """The project's files that a file imports; a module loaded by name with importlib is not seen here."""
    found: set[Path] = set()
    gc.disable()  # Python 3.11's parser loses count of its depth, a SystemError, when hypothesis' callback runs within
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
    """The files that some files import, directly or not, and they themselves, relative to the root."""
    seen: set[Path] = set()
    todo = list(starts)
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo.extend(direct(path))
    return {path.relative_to(ROOT).as_posix() for path in seen}


def sections(stage: Path) -> set[str]:
    """The sections that a stage script reads from `settings = params.load()`, and those that what it calls reads.

    `variant(settings, run)` and `settings.trained_elsewhere(run)` read the run's own entry and its base, written `runs`
    here. `settings.own(PROBE.Settings)` reads the section of that probe. `Subject.open(settings)` reads the sizes of
    images and crops and a run, `page.render(settings)` everything.
    """
    tree = ast.parse(stage.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in WHOLE and node.attr != "own":
            found.add("runs" if node.attr == "trained_elsewhere" else node.attr)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= CALLS.get(called, set())
            if called in [f"{whole}.own" for whole in WHOLE]:
                found.add(ast.unparse(node.args[0]).removesuffix(".Settings"))
    return found


WHOLE = ("settings", "params.load()")
"""How the whole of the parameters is written."""
CALLS = {
    "variant": {"runs"},
    "Subject.open": {"betons", "crops", "runs"},
    "page.render": set(params.load(ROOT / paths.PARAMS).model_dump())
    - {"watch"},  # it decides what runs, not what is found
}
"""Functions that take the parameters whole, and the sections that each of them reads."""
