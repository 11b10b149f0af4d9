"""Validate the probes' sections of params.yaml before anything runs."""

import ast
import importlib
from pathlib import Path
from typing import Any

from zfpipe import params
from zfpipe.errors import UserError
from zfpipe.params import Params
from zfpipe.values import Section

LIGHT = ("typing", "pydantic", "zfpipe.values")
"""Modules that a class `Settings` usually needs, and that are imported quickly."""


def check(settings: Params) -> None:
    """Raise UserError for a section that its probe would refuse, or that no probe has."""
    kinds = {path.stem: kind for path in sorted(params.PROBES.glob("*.py")) if (kind := described(path))}
    for kind in kinds.values():
        settings.own(kind)
    for name in settings.model_extra or {}:
        if name not in kinds:
            raise UserError(f"params.yaml: {name} is not a parameter; zfpipe/probes/{name}.py has no class Settings")


def described(probe: Path) -> type[Section] | None:
    """Return a probe's class `Settings`, or None if it has none.

    If possible, only the class and the names it needs are executed: the whole module would import torch, which takes
    seconds and memory.
    """
    text = probe.read_text()
    if "\nclass Settings(" not in text:
        return None
    module, needed = f"zfpipe.probes.{probe.stem}", []
    for node in ast.parse(text).body:
        light = isinstance(node, ast.ImportFrom) and node.module in LIGHT
        if light or (isinstance(node, ast.ClassDef) and node.name == "Settings"):
            needed.append(node)
    found: dict[str, Any] = {"__name__": module}
    try:
        exec(compile(ast.Module(needed, []), probe, "exec"), found)
    except NameError:  # the class needs another name of its module
        return importlib.import_module(module).Settings
    return found["Settings"]
