"""Your own images: the layout that is read, and one line for each that is not."""

import re
from pathlib import Path

import pytest

from tests.imports import ROOT
from zfpipe import params
from zfpipe.errors import UserError
from zfpipe.pictures import folder

SETTINGS = params.load(ROOT / "params.yaml").pictures.model_copy(update={"source": "folder", "val_share": 0.5})


def test_another_layout_is_refused_in_one_line(paths: tuple[str, ...], line: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path / "images", *paths)
    with pytest.raises(UserError, match=re.escape(line)) as error:
        list(folder.entries(root, SETTINGS))
    assert "\n" not in str(error.value)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "train/cat/1.png", "val/cat/1.png")
    for split in ("train", "val"):
        (root / split / "dog").mkdir()
    with pytest.raises(UserError, match="train/dog holds no images"):
        list(folder.entries(root, SETTINGS))


def test_folders_may_be_links(tmp_path: Path) -> None:
    lay_out(tmp_path, "disk/cat/1.png", "disk/cat/deep/2.png", "root/train/cat/0.png", "root/val/cat/3.png")
    (tmp_path / "root/train/cat/more").symlink_to(tmp_path / "disk/cat", target_is_directory=True)
    found = [entry.path for entry in folder.entries(tmp_path / "root", SETTINGS) if entry.split == "train"]
    assert found == ["train/cat/0.png", "train/cat/more/1.png", "train/cat/more/deep/2.png"]
