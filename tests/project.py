"""Make a project in a folder, with pictures that a user might have."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages import betons, mean, pictures
from tests.imports import ROOT
from zfpipe import stage

SIDE = 96


def run(monkeypatch: pytest.MonkeyPatch, main: stage.Main, *arguments: str) -> None:
    """Run a stage in the current folder."""
    monkeypatch.setattr(sys, "argv", ["stages/one.py", *arguments])
    stage.run(main)


def parameters(**changes: Any) -> None:
    """Write params.yaml: the project's own for a folder of pictures, with these fields of sections changed."""
    found: dict[str, Any] = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    found["pictures"] |= {"source": "folder", "root": "pictures"}
    found["betons"] |= {"resize": SIDE, "max_rejected": 0.3}
    for section, fields in changes.items():
        found[section] = found[section] | fields if isinstance(fields, dict) else fields
    with Path("params.yaml").open("w") as file:
        YAML().dump(found, file)


def draw(folder: Path, seed: int = 0) -> list[str]:
    """Draw two training and three validation pictures of each of two classes; return their paths in the folder."""
    random, paths = np.random.default_rng(seed), []
    for split, count in (("train", 2), ("val", 3)):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                path = Path(split, name, f"{number}.png")
                Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(folder / path)
                paths.append(path.as_posix())
    return paths


def prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the stages from pictures to betons and their mean."""
    run(monkeypatch, pictures.main)
    for split in ("train", "val"):
        run(monkeypatch, betons.main, split)
    run(monkeypatch, mean.main)
