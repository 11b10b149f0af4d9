"""Test the stages `betons` and `mean` on a folder of pictures, in a separate project."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages import betons
from stages import mean as mean_stage
from stages import overlap as overlap_stage
from tests.imports import ROOT
from zfpipe import params, paths, stage
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.index.images import read_index, write_index
from zfpipe.pictures import folder
from zfpipe.reading import mean
from zfpipe.reading.reader import Batches

BROKEN = Path("pictures/train/bee/3.png")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with 18 indexed pictures of three classes. One of the files is no picture."""
    monkeypatch.chdir(tmp_path)
    parameters: dict[str, Any] = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    parameters["pictures"] |= {"source": "folder", "root": "pictures"}
    parameters["betons"] |= {"resize": 128, "max_rejected": 0.2}
    with Path("params.yaml").open("w") as file:
        YAML().dump(parameters, file)
    random = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for name in ("ant", "bee", "cat"):
            path = Path("pictures") / split / name
            path.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (128, 150, 3), np.uint8)
                Image.fromarray(pixels).save(path / f"{number}.png")
    BROKEN.write_bytes(b"")
    write_index(folder.split_folders(Path("pictures"), params.load().pictures), paths.INDEX)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, main: Any, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/betons.py", *arguments])
    stage.run(main)


def test_pictures_become_betons_and_a_mean(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("train", "val"):
        run(monkeypatch, betons.main, split)
    run(monkeypatch, mean_stage.main)
    assert (read_sidecar(paths.beton("train")).count, read_sidecar(paths.beton("val")).count) == (11, 6)
    assert paths.rejected("train").read_text().endswith(",train/bee/3.png,empty file\n")
    made = {path.name for path in paths.BETONS.iterdir()}
    assert made == {f"{split}.{kind}" for split in ("train", "val") for kind in ("beton", "json", "rejected.csv")} | {
        "mean.npy"
    }

    pictures = {}
    index = read_index(paths.INDEX)
    for identity, name in zip(index["id"].tolist(), index["path"].tolist(), strict=True):
        path = Path("pictures") / name
        if path != BROKEN:
            pictures[identity] = np.asarray(Image.open(path))[:, 11:139]
    shown = {}
    for split in ("train", "val"):
        with Batches(paths.beton(split), batch=8, crop=128, crops="centre") as batches:
            assert batches.classes == ["ant", "bee", "cat"]
            for batch in batches.epoch():
                shown |= dict(zip(batch.ids.tolist(), batch.images.numpy(), strict=True))
    assert shown.keys() == pictures.keys()
    for identity, pixels in pictures.items():
        np.testing.assert_array_equal(shown[identity], pixels)
    train = [pixels for identity, pixels in pictures.items() if identity < 12]
    np.testing.assert_array_equal(mean.read(paths.MEAN), np.mean(train, 0).astype(np.float32))


def test_images_of_another_set_are_left_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train/ant/1.png", "train/cat/2.png", "val/cat/0.png"):
        copy = Path("other") / name.replace("train", "x").replace("val", "y")
        copy.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(Path("pictures") / name) as image:
            image.resize((300, 256)).save(copy)
            image.rotate(180).save(copy.with_name("turned.png"))
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("sets: {}", "sets: {mine: {source: folder, root: other}}"))
    assert "root: other" in Path("params.yaml").read_text()
    run(monkeypatch, overlap_stage.main, "mine")
    table = pd.read_csv(paths.overlap("mine") / "overlap.csv")
    assert sorted(table["train"]) == ["train/ant/1.png", "train/cat/2.png"]
    assert (paths.overlap("mine") / "sheet.png").exists()
    for split in ("train", "val"):
        run(monkeypatch, betons.main, split)
    assert (read_sidecar(paths.beton("train")).count, read_sidecar(paths.beton("val")).count) == (9, 6)


def test_a_mistake_ends_in_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in Path("pictures/val").glob("*/0.png"):
        path.write_bytes(b"")
    with pytest.raises(SystemExit, match=r"^zfpipe: val: 3 of 6 images can't be read \(the first: val/.*/0.png: empty"):
        run(monkeypatch, betons.main, "val")
    with pytest.raises(
        SystemExit, match=r"^zfpipe: data/betons/train.json not found; make it: dvc repro betons@train$"
    ):
        run(monkeypatch, mean_stage.main)
    with pytest.raises(SystemExit, match=r"^zfpipe: betons takes a split, got test; must be one of train, val$"):
        run(monkeypatch, betons.main, "test")
