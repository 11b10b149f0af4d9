"""Collect the parameters, versions and files that made a report, without paths of a user's machine.

The commit is not among them: the page's checksum is in dvc.lock, so the page can't name the commit of that dvc.lock.
The page says how to find the commit by the checksum instead.
"""

import hashlib
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from ruamel.yaml import YAML

from zfpipe import paths, store
from zfpipe.network.architecture import variants
from zfpipe.params import Params
from zfpipe.report.engine.artefact import present

LIBRARIES = (
    "torch", "torchvision", "ffcv", "numpy", "numba", "opencv-python", "simplejpeg", "pillow", "scipy", "scikit-learn",
    "captum", "pandas", "pyarrow", "safetensors", "matplotlib", "dvc",
)  # fmt: skip
"""Libraries that compute, store and draw."""
CONSTRAINTS = Path("constraints.txt")


def parameters(settings: Params) -> dict[str, Any]:
    """Return all parameters as plain values: each run with its whole `network`, folders only by name.

    A folder's full path would reveal a user's machine.
    """
    tree = settings.model_dump(mode="json")
    for place in (tree["pictures"], *tree["overlap"]["sets"].values(), *tree["targets"].values()):
        place["root"] = Path(place["root"]).resolve().name
    for run, network in variants(settings).items():
        found = network.model_dump(mode="json")
        weights = {"weights": Path(found["weights"]).name} if found.get("weights") else {}
        tree["runs"][run]["network"] = found | weights
    return tree


def chosen(tree: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:
    """Return parameters with values: `names` are sections or `section.field`; a run adds what it is built on."""
    found: list[tuple[str, str]] = []
    for name in names:
        section, _, only = name.partition(".")
        if section == "runs":
            run = tree["runs"].get(only)
            found.append((name, f"{run['base']}, seed {run['seed']}" if run else f"all {len(tree['runs'])}"))
        else:
            parts = named(name, tree[section][only] if only else tree[section])
            found += [(one, "null" if value is None else str(value)) for one, value in parts if type(value) is not dict]
    return found


def named(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a parameter or section and all its fields by their full names."""
    yield name, value
    if isinstance(value, dict):
        for field, inside in value.items():
            yield from named(f"{name}.{field}", inside)


def yaml(tree: Mapping[str, Any]) -> str:
    """Return the parameters as YAML, with only the runs' networks."""
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 1000
    writer.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    text = io.StringIO()
    writer.dump({name: section for name, section in tree.items() if name not in ("model", "alexnet")}, text)
    return text.getvalue()


def made_with() -> dict[str, dict[str, str]]:
    """Return the `versions` installed here, and as `off` the versions that differ from constraints.txt.

    Of Python only major and minor are compared: constraints.txt pins by these, and a patch changes no result.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    installed = {"Python": python} | {name: version(name) for name in LIBRARIES}
    pinned = pins(CONSTRAINTS.read_text())
    return {"versions": installed, "off": {name: pinned[name] for name in LIBRARIES if installed[name] != pinned[name]}}


def pins(constraints: str) -> dict[str, str]:
    """Return the versions that the text of constraints.txt asks for here."""
    asked = [Requirement(line.rstrip(" \\")) for line in constraints.splitlines() if line[:1].isalpha()]
    return {one.name: next(iter(one.specifier)).version for one in asked if one.marker is None or one.marker.evaluate()}


def checksums(runs: Iterable[str]) -> dict[Path, str]:
    """Return the MD5 of every network's weights from dvc.lock."""
    found = {}
    for run in runs:
        path = present(paths.weights(run), f"train@{run}")
        with path.open("rb") as file:
            found[path] = hashlib.file_digest(file, "md5").hexdigest()
    return found


def split(name: str) -> dict[str, Any]:
    """Return the sidecar of a split's images, and how many images were `rejected`."""
    described, rejected = (present(path(name), f"betons@{name}") for path in (paths.sidecar, paths.rejected))
    return store.load(described) | {"rejected": len(store.load(rejected))}


def is_imagenet(train: Mapping[str, Any], val: Mapping[str, Any]) -> bool:
    """Return whether the counts of images and classes are those of ImageNet 2012 (section 5.1)."""
    return len(train["classes"]) == 1000 and train["count"] >= 1_200_000 and val["count"] == 50_000
