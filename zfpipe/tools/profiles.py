"""Apply profiles, which are short overlays on params.yaml, such as the paper's own sizes."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from zfpipe import params, store
from zfpipe.errors import UserError
from zfpipe.network.architecture import variants
from zfpipe.tools.own_sections import check


class Representer(RoundTripRepresenter):
    """Write null as `null`: ruamel's own representer writes nothing, which would change other lines."""

    def represent_null(self, value: None) -> ScalarNode:
        """Return the node of a null."""
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


Representer.add_representer(type(None), Representer.represent_null)


def summaries(folder: Path) -> dict[str, str]:
    """Return the profiles by name, each with the comment on its first line."""
    return {path.stem: path.read_text().splitlines()[0].lstrip("# ") for path in sorted(folder.glob("*.yaml"))}


def apply(name: str, folder: Path, target: Path) -> list[str]:
    """Write a profile's values into params.yaml. Return a line for each value that changed."""
    path = folder / f"{name}.yaml"
    if not path.exists():
        raise UserError(f"profile {name} not found; must be one of {', '.join(summaries(folder))}")
    values = read(path, folder.parent)
    given = values.get("pictures", {})
    if "root" in given:  # a relative root would not exist in a clone or an experiment's folder
        given["root"] = str(Path(given["root"]).expanduser().absolute())
    return write(values, path, target)


def write(values: dict[str, Any], path: Path, target: Path) -> list[str]:
    """Write nested values, and the choice `rows`, into params.yaml. Return a line for each value that changed.

    Comments stay. The result is validated before the file is replaced. Errors about `rows` name `path`.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.Representer = Representer
    old = target.read_text()
    params.check_yaml(old, str(target))
    tree = yaml.load(old)
    rows = values.pop("rows", None)
    changes = overlay(tree, values, ())
    if rows is not None:
        changes += keep(tree, rows, path)
    text = io.StringIO()
    yaml.dump(tree, text)
    settings = params.parse(text.getvalue(), str(target))
    check(settings)
    variants(settings)
    store.save(target, text.getvalue())
    return changes


def read(path: Path, root: Path) -> dict[str, Any]:
    """Return a profile's values, laid over the values of the file in the project's root that it may extend."""
    own = opened(path)
    if "extends" not in own:
        return own
    base = own.pop("extends")
    if Path(str(base)).name != base or not (root / base).is_file():
        raise UserError(f"{path}: extends = {base}; must be the name of a file beside params.yaml, such as paper.yaml")
    return merged(opened(root / base), own)


def opened(path: Path) -> dict[str, Any]:
    """Return the values in a file. Raise UserError if the file is not YAML with sections."""
    text = path.read_text()
    params.check_yaml(text, str(path))
    return YAML(typ="safe").load(text)


def merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Return the nested values `high` laid over `low`."""
    nested = {
        key: merged(low[key], value)
        for key, value in high.items()
        if isinstance(value, dict) and isinstance(low.get(key), dict)
    }
    return {**low, **high, **nested}


def overlay(tree: CommentedMap, values: dict[str, Any], prefix: tuple[str, ...]) -> list[str]:
    """Set nested values in place. Return a line `name: old -> new` for each that changes."""
    changes = []
    for key, value in values.items():
        name = (*prefix, key)
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            changes += overlay(tree[key], value, name)
        elif tree.get(key) != value:
            changes.append(f"{'.'.join(name)}: {tree.get(key)} -> {value}")
            tree[key] = value
    return changes


def keep(tree: CommentedMap, rows: Any, path: Path) -> list[str]:
    """Leave out the runs and ensembles that `rows` does not name. Return a line `name: old -> left out` for each.

    Raise UserError if `rows`, from the profile at `path`, names an unknown run or ensemble.
    """
    sections = {name: tree[name] for name in ("runs", "ensembles") if isinstance(tree.get(name), dict)}
    known = [row for section in sections.values() for row in section]
    if not isinstance(rows, list):
        raise UserError(f"{path}: rows = {rows}; must be a list of runs and ensembles: {', '.join(known)}")
    if unknown := [row for row in rows if row not in known]:
        raise UserError(f"{path}: rows names {unknown[0]}; must be runs and ensembles: {', '.join(known)}")
    changes = []
    for name, section in sections.items():
        others = [row for row in section if row not in rows]
        changes += [f"{name}.{row}: {section.pop(row)} -> left out" for row in others]
        if not section:
            section.fa.set_flow_style()  # `{}` on the line of its key
    return changes
