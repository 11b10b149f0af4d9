"""What a report is about: which pictures, in words, and the parameters, versions and files that made it, without paths.

No commit stands here: a page whose checksum is in dvc.lock can't hold the commit that holds dvc.lock. The page says how
to find it by that checksum instead.
"""

import hashlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from pydantic import BaseModel
from ruamel.yaml import YAML

from zfpipe import paths, store
from zfpipe.params import Run
from zfpipe.report.engine.artefact import present

IMAGENET_CLASSES, IMAGENET_TRAIN, IMAGENET_VAL = 1000, 1_200_000, 50_000
"""At least so many images, of exactly so many classes, may be ImageNet 2012 (section 5.1)."""
LIBRARIES = (
    "torch", "torchvision", "ffcv", "numpy", "numba", "opencv-python", "simplejpeg", "pillow", "scipy", "scikit-learn",
    "captum", "pandas", "pyarrow", "safetensors", "matplotlib", "dvc",
)  # fmt: skip
"""What computes, stores and draws."""
CONSTRAINTS = Path("constraints.txt")


@dataclass(frozen=True)
class Settings:
    """What the page needs from params.yaml: `sections` by name, and the whole `networks` of all runs.

    A probe's own section is as params.yaml has it, the others are validated ones.
    """

    sections: Mapping[str, Any]
    runs: Mapping[str, Run]
    networks: Mapping[str, BaseModel]
    ensembles: Mapping[str, Sequence[str]]

    def tree(self) -> dict[str, Any]:
        """Everything as plain values; a folder is known by its name alone."""
        found = {name: plain(section) for name, section in self.sections.items()}
        for place in (found["pictures"], *found["overlap"]["sets"].values(), *found["targets"].values()):
            place["root"] = folder_name(place["root"])
        found["runs"] = {name: plain(run) for name, run in self.runs.items()}
        found["ensembles"] = {name: list(runs) for name, runs in self.ensembles.items()}
        return found

    def chosen(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """Parameters with their values: `names` are sections or `section.field`; of runs, what they are built on."""
        tree = self.tree()
        found: list[tuple[str, str]] = []
        for name in names:
            section, _, only = name.partition(".")
            if section == "runs":
                run = tree["runs"].get(only)
                found.append((name, f"{run['base']}, seed {run['seed']}" if run else f"all {len(tree['runs'])}"))
                continue
            found += leaves(name, tree[section][only] if only else tree[section])
        return found

    def network(self, run: str) -> dict[str, Any]:
        """A run's network as plain values; a file of weights is known by its name alone."""
        found = plain(self.networks[run])
        return found | {"weights": Path(found["weights"]).name} if found.get("weights") else found

    def yaml(self) -> str:
        """The parameters as YAML, the network of each run spelled out."""
        tree = self.tree()
        tree["runs"] = {name: {**run, "network": self.network(name)} for name, run in tree["runs"].items()}
        writer = YAML()
        writer.default_flow_style = None
        writer.width = 1000
        writer.representer.add_representer(
            type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
        )
        text = io.StringIO()
        writer.dump(tree, text)
        return text.getvalue()


def plain(section: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """A section as plain values, lists for tuples; a probe's own as params.yaml has it."""
    return section.model_dump(mode="json") if isinstance(section, BaseModel) else dict(section)


def leaves(name: str, value: Any) -> list[tuple[str, str]]:
    """A parameter by its whole name; a section's one by one."""
    if not isinstance(value, dict):
        return [(name, written(value))]
    return [leaf for field, inside in value.items() for leaf in leaves(f"{name}.{field}", inside)]


def written(value: Any) -> str:
    """A value as params.yaml writes it."""
    return "null" if value is None else str(value)


def versions() -> dict[str, str]:
    """Python and the libraries, as installed here.

    Of Python major and minor: constraints.txt pins by these, and a patch changes no result.
    """
    return {"Python": f"{sys.version_info.major}.{sys.version_info.minor}"} | {
        name: version(name) for name in LIBRARIES
    }


def pins(constraints: str) -> dict[str, str]:
    """The versions that the text of constraints.txt asks for here."""
    lines = (line.rstrip(" \\") for line in constraints.splitlines() if line[:1].isalpha())
    asked = [Requirement(line) for line in lines]
    return {one.name: next(iter(one.specifier)).version for one in asked if one.marker is None or one.marker.evaluate()}


def made_with() -> dict[str, Any]:
    """Return the versions installed now, and where they are not those that constraints.txt asks for."""
    installed, pinned = versions(), pins(CONSTRAINTS.read_text())
    off = {name: pinned[name] for name in LIBRARIES if installed[name] != pinned[name]}
    return {"versions": installed, "off": off}


def checksums(runs: Mapping[str, Run]) -> dict[Path, str]:
    """MD5 of every network's weights, as dvc.lock has it."""
    found = {}
    for run in runs:
        path = present(paths.weights(run), f"train@{run}")
        with path.open("rb") as file:
            found[path] = hashlib.file_digest(file, "md5").hexdigest()
    return found


def folder_name(root: str) -> str:
    """The name of a folder: where it stands on somebody's machine is nobody's business."""
    return Path(root).resolve().name


def split(name: str) -> dict[str, Any]:
    """Return what is known of the images of a split: `described` when written, how many were `rejected`, the files."""
    described, rejected = (present(path(name), f"betons@{name}") for path in (paths.sidecar, paths.rejected))
    files = {"described": described, "rejected": rejected}
    return store.load(described) | {"rejected": len(store.load(rejected)), "files": files, "beton": paths.beton(name)}


def is_imagenet(splits: Mapping[str, dict[str, Any]]) -> bool:
    """Return whether the images may be ImageNet 2012, by their counts."""
    train, val = splits["train"], splits["val"]
    return (
        len(train["classes"]) == IMAGENET_CLASSES and train["count"] >= IMAGENET_TRAIN and val["count"] == IMAGENET_VAL
    )
