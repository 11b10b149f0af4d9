"""The paper's parameter values, read from paper.yaml."""

from typing import Any

from ruamel.yaml import YAML

from zfpipe import paths


def values() -> dict[str, Any]:
    """Return the values that the paper states, by dotted names such as `betons.resize`."""
    return dict(leaves("", YAML(typ="safe").load(paths.PAPER.read_text())))


def leaves(prefix: str, section: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the values of a section and its nested sections, by their names after `prefix`."""
    found: list[tuple[str, Any]] = []
    for name, value in section.items():
        found += leaves(f"{prefix}{name}.", value) if isinstance(value, dict) else [(prefix + name, value)]
    return found
