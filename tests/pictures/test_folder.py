"""Your own images: the layout that is read, and one line for each that is not."""

import re
from pathlib import Path

import pytest
from PIL import Image

from zfpipe.errors import UserError
from zfpipe.params import Pictures
from zfpipe.pictures import folder

SETTINGS = Pictures(
    source="folder",
    root="-",
    seed=0,
    train=1,
    val=1,
    val_share=0.5,
    clutter=False,
    parts=None,
    classes=None,
    per_class=None,
)


def lay_out(root: Path, *paths: str) -> Path:
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10 + number, 20)).save(root / path)
    return root


def test_images_are_found_in_order_with_labels_and_sizes(tmp_path: Path) -> None:
    root = lay_out(
        tmp_path, "train/cat/2.png", "train/cat/1.JPEG", "train/ant/deep/3.jpg", "val/cat/4.png", "val/ant/5.bmp"
    )
    (root / "train/cat/.hidden.png").write_bytes(b"")
    (root / "train/.cache").mkdir()
    (root / "train/cat/notes.txt").write_text("not an image")
    (root / "val/ant/6.png").write_bytes(b"broken")
    found = [
        (entry.split, entry.label, entry.class_name, entry.path, entry.width)
        for entry in list(folder.entries(root, SETTINGS))
    ]
    assert found == [
        ("train", 0, "ant", "train/ant/deep/3.jpg", 12),
        ("train", 1, "cat", "train/cat/1.JPEG", 11),
        ("train", 1, "cat", "train/cat/2.png", 10),
        ("val", 0, "ant", "val/ant/5.bmp", 14),
        ("val", 0, "ant", "val/ant/6.png", None),
        ("val", 1, "cat", "val/cat/4.png", 13),
    ]


@pytest.mark.parametrize(
    ("paths", "line"),
    [
        ((), "is not a folder; it must hold train/ and val/"),
        (("train/cat/1.png",), "has no folder val/"),
        (("train/1.png", "val/cat/1.png"), "images/train holds no class folders"),
        (("train/cat/1.png", "val/dog/1.png"), "class cat is in train/ but not in val/"),
        (("train/cat/1.png", "val/cat/1.png", "val/dog/1.png"), "class dog is in val/ but not in train/"),
    ],
)
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
