"""The stage `correspondence` on a folder of pictures with a file of parts, one picture of which is damaged."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages import betons, correspondence, mean, pictures
from stages import overlap as overlap_stage
from tests.imports import ROOT
from zfpipe import params, paths, stage
from zfpipe.convnet import weights
from zfpipe.convnet.network import initialise

SIDE = 96
PARTS = {"right eye": (30, 30, 40, 38), "left eye": (60, 30, 70, 38), "nose": (46, 50, 56, 56)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Up to the network of Fig. 3, whose weights are random."""
    monkeypatch.chdir(tmp_path)
    parameters: dict[str, Any] = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    parameters["pictures"] |= {"source": "folder", "root": "faces", "parts": "parts.csv"}
    parameters["betons"] |= {"resize": SIDE, "max_rejected": 0.3}
    parameters["correspondence"] |= {"images": 2, "random": 3}
    with Path("params.yaml").open("w") as file:
        YAML().dump(parameters, file)
    random, lines = np.random.default_rng(0), ["image,part,x0,y0,x1,y1"]
    for split, count in (("train", 2), ("val", 3)):
        for name in ("cat", "dog"):
            folder = Path("faces") / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(folder / f"{number}.png")
                for part, sides in PARTS.items():
                    lines.append(f"{split}/{name}/{number}.png,{part},{','.join(map(str, sides))}")
    damaged = Path("faces/val/dog/1.png")
    damaged.write_bytes(damaged.read_bytes()[:2000])
    Path("faces/parts.csv").write_text("\n".join(lines) + "\n")
    for main, arguments in (
        (pictures.main, ()),
        (overlap_stage.main, ()),
        (betons.main, ("train",)),
        (betons.main, ("val",)),
        (mean.main, ()),
    ):
        run(monkeypatch, main, *arguments)
    settings = params.load()
    network = weights.build(params.merged(settings.model, {"width": 0.05}), settings.crops.size, 2)
    initialise(network, "he", 0.01, 0)
    weights.save(network, paths.weights("zfnet"))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, main: Any, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/one.py", *arguments])
    stage.run(main)


def test_parts_are_enough_and_a_rejected_picture_is_no_face(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, correspondence.main)
    described = json.loads((paths.CORRESPONDENCE / "images.json").read_text())["images"]
    assert len(described) == 2 and {one["size"] for one in described} == {10}
    table = pd.read_csv(paths.CORRESPONDENCE / "consistency.csv")
    assert set(table["part"]) == {*PARTS, "random"}
    assert set(table.query("set == 'all'")["images"]) == {5}, "six pictures, one of them damaged"
