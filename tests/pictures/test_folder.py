"""Your own images: the layout that is read, and one line for each that is not."""

import os
import re
import warnings
from pathlib import Path

import pytest
from PIL import Image

from tests.imports import ROOT
from zfpipe import params
from zfpipe.errors import UserError
from zfpipe.pictures import folder
from zfpipe.pictures.files import image_size
from zfpipe.writing.decode import pixels

SETTINGS = params.load(ROOT / "params.yaml").pictures.model_copy(update={"source": "folder", "val_share": 0.5})


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


def test_a_link_to_a_folder_above_does_not_count_its_images_again(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/cat/1.png", "train/cat/deep/2.png", "val/cat/3.png")
    (tmp_path / "train/cat/deep/again").symlink_to(tmp_path / "train/cat", target_is_directory=True)
    with pytest.raises(UserError, match=r"train/cat/deep/again is the same folder as .*train/cat; remove the link"):
        list(folder.entries(tmp_path, SETTINGS))


def test_a_name_that_the_index_can_not_hold_is_one_line(tmp_path: Path) -> None:
    lay_out(tmp_path, "train/cat/1.png", "val/cat/3.png")
    (tmp_path / "train/cat/1.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/train/cat/\xe9.png"))
    with pytest.raises(UserError, match=r"cat/\\udce9.png' is no name in UTF-8; rename it") as error:
        list(folder.entries(tmp_path, SETTINGS))
    assert str(error.value).isascii()


def test_a_folder_that_can_not_be_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path, "train/cat/1.png", "train/cat/shut/2.png", "val/cat/3.png")
    scan = os.scandir

    def shut(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", shut)
    with pytest.raises(PermissionError, match="shut"):
        list(folder.entries(tmp_path, SETTINGS))


def test_a_set_in_a_folder_of_its_own_is_not_one_class(tmp_path: Path) -> None:
    lay_out(tmp_path, "images/train/cat/1.png", "images/val/cat/2.png")
    with pytest.raises(UserError, match=r"holds one folder alone; must be two or more classes: .*/images\?"):
        list(folder.entries(tmp_path, SETTINGS))


def test_a_root_of_classes_is_split(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "ant/1.png", "ant/deep/2.png", "bee/3.png", "bee/4.png", ".cache/5.png")
    found = list(folder.entries(root, SETTINGS))
    assert [(entry.split, entry.label, entry.class_name) for entry in found] == [
        (split, label, name) for split in ("train", "val") for label, name in enumerate(("ant", "bee"))
    ]
    assert {entry.path: entry.width for entry in found} == {
        "ant/1.png": 10, "ant/deep/2.png": 11, "bee/3.png": 12, "bee/4.png": 13
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_upright_as_pixels_are(ending: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"rotated.{ending}"
    Image.new("RGB", (20, 10)).save(path, exif=exif)
    height, width, _ = pixels(path.read_bytes()).shape
    assert image_size(path) == (width, height)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_leaves_the_size_as_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "odd.jpg"
    Image.new("RGB", (20, 10)).save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    with warnings.catch_warnings(action="error"):
        assert image_size(path) == (20, 10)
    assert pixels(path.read_bytes()).shape == (10, 20, 3)
