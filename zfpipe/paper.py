"""The paper's parameter values, which paper.yaml holds."""

from typing import Any

from ruamel.yaml import YAML

from zfpipe import paths


def values() -> dict[str, Any]:
    """Return each value that the paper states by its dotted name, such as `betons.resize`."""
    return dict(leaves("", YAML(typ="safe").load(paths.PAPER.read_text())))


def leaves(prefix: str, section: dict[str, Any]) -> list[tuple[str, Any]]:
    """List the values within a section, those of nested sections too, by their names after `prefix`."""
    found: list[tuple[str, Any]] = []
    for name, value in section.items():
        found += leaves(f"{prefix}{name}.", value) if isinstance(value, dict) else [(prefix + name, value)]
    return found
