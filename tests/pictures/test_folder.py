"""Test a user's own images: the layout that is read, and one line for each other layout."""

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


@pytest.mark.parametrize(
    ("paths", "line"),
    [
        (
            ("Training/cat/1.png", "Training/dog/2.png", "Test/cat/3.png", "Test/dog/4.png"),
            "name Test/ val to validate",
        ),
        (("train/a/1.png", "train/b/2.png", "testing/a/3.png"), "name testing/ val to validate"),
        (("one/cat/1.png", "one/dog/2.png", "two/cat/3.png", "two/dog/4.png"), "one/ and two/ hold the same folders"),
        (("train/a/1.png", "val/a/2.png", "valid/a/3.png"), "holds val/ and valid/; must be one for val"),
        (("train/1.png", "val/2.png"), "train holds no class folders but 1 images"),
    ],
)
def test_splits_are_not_taken_for_classes(paths: tuple[str, ...], line: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path / "images", *paths)
    with pytest.raises(UserError, match=re.escape(line)):
        list(folder.entries(root, SETTINGS))


@pytest.mark.parametrize("train", ["train", "Train", "Training", "TRAINING"])
@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_splits_are_found_by_their_usual_names(train: str, val: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path, f"{train}/ant/1.png", f"{train}/bee/2.png", f"{val}/ant/3.png", f"{val}/bee/4.png")
    found = [(entry.split, entry.class_name, entry.path) for entry in folder.entries(root, SETTINGS)]
    assert found[0] == ("train", "ant", f"{train}/ant/1.png")
    assert [split for split, _, _ in found] == ["train", "train", "val", "val"]


@pytest.mark.parametrize(
    "name",
    [".ipynb_checkpoints", ".AppleDouble", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", ".git"],
)
@pytest.mark.parametrize("place", ["{}", "train/{}", "train/ant/{}", "train/ant/deep/{}"])
def test_hidden_and_system_folders_are_passed_over_at_any_depth(name: str, place: str, tmp_path: Path) -> None:
    four = ("train/ant/1.png", "train/bee/2.png", "val/ant/3.png", "val/bee/4.png")
    root = lay_out(tmp_path, *four, f"{place.format(name)}/1.png", f"{place.format(name)}/ant/1.png")
    (root / "train/bee/Thumbs.db").write_bytes(b"")
    assert [entry.path for entry in folder.entries(root, SETTINGS)] == list(four)


def test_files_and_folders_that_are_passed_over_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = lay_out(
        tmp_path, "train/ant/1.png", "train/bee/deep/2.png", "val/ant/3.png", "val/bee/4.png", "test/ant/5.png"
    )
    for name in ("a.heic", "b.heic", "c.txt", "d"):
        (root / "train/ant" / name).write_bytes(b"x")
    Image.new("RGB", (3, 3)).save(root / "train/loose.png")
    list(folder.entries(root, SETTINGS))
    assert capsys.readouterr().out.splitlines() == [
        "4 files passed over, not images by their suffix: 2 .heic, 1 without a suffix, 1 .txt; "
        "HEIC must be made JPEG first",
        "1 images passed over, in no class folder, the first train/loose.png",
        "folders passed over, of no split: test",
        "1 images lie in folders within the folder of their class, and count as that class; the first "
        "train/bee/deep/2.png",
    ]


@pytest.mark.parametrize("suffix", ["gif", "jfif", "jpe", "avif", "mpo", "jp2", "tif", "pgm", "GIF"])
def test_every_suffix_of_a_decoded_format_counts(suffix: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path, "train/ant/1.png", "train/bee/2.png", "val/ant/3.png", "val/bee/4.png")
    (root / "train/ant/1.png").rename(root / f"train/ant/1.{suffix}")
    found = list(folder.entries(root, SETTINGS))
    # Read from the contents, not from the suffix.
    assert (found[0].path, found[0].width) == (f"train/ant/1.{suffix}", 10)


@pytest.mark.parametrize("name", ["0.png", ".hidden.png", "notes"])
def test_files_at_which_dvc_stops_or_waits_are_refused(name: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path, "train/ant/1.png", "train/bee/2.png", "val/ant/3.png", "val/bee/4.png")
    os.mkfifo(root / "train/ant" / name)
    with pytest.raises(UserError, match=rf"ant/{name} is neither a file nor a folder, and DVC would wait for it"):
        list(folder.entries(root, SETTINGS))
    (root / "train/ant" / name).unlink()
    (root / "train/ant" / name).symlink_to(root / "nowhere")
    with pytest.raises(UserError, match=rf"ant/{name} is a link that leads nowhere; remove it"):
        list(folder.entries(root, SETTINGS))


def test_a_class_whose_link_leads_nowhere_is_not_left_out(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "ant/1.png", "ant/2.png", "bee/3.png", "bee/4.png")
    (root / "cow").symlink_to(root / "an unmounted disk")
    with pytest.raises(UserError, match="cow is a link that leads nowhere"):
        list(folder.entries(root, SETTINGS))


def test_no_folder_is_read_twice_in_a_set(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "train/ant/1.png", "train/bee/2.png", "val/ant/3.png", "val/bee/4.png")
    (root / "val/ant/more").symlink_to(root / "train/ant")
    with pytest.raises(UserError, match=r"val/ant/more is the same folder as .*train/ant; remove the link"):
        list(folder.entries(root, SETTINGS))


@pytest.mark.parametrize("names", [("seg_train", "seg_test"), ("training_set", "test_set"), ("train-2", "val-2")])
def test_folders_that_look_like_splits_are_not_taken_for_classes(names: tuple[str, str], tmp_path: Path) -> None:
    root = lay_out(tmp_path, f"{names[0]}/ant/1.png", f"{names[0]}/bee/2.png", f"{names[1]}/ant/3.png")
    with pytest.raises(UserError, match="hold folders alone and look like splits; name one train and one val"):
        list(folder.entries(root, SETTINGS))


def test_classes_with_such_names_are_classes_if_they_hold_images(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "train station/1.png", "train station/2.png", "test tube/3.png", "test tube/4.png")
    assert {entry.class_name for entry in folder.entries(root, SETTINGS)} == {"train station", "test tube"}


@pytest.mark.parametrize("name", ["/elsewhere/names.txt", "../names.txt", "linked/names.txt"])
def test_a_list_that_dvc_would_not_see_is_refused(name: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path / "root", "train/ant/1.png", "train/bee/2.png", "val/ant/3.png", "val/bee/4.png")
    (tmp_path / "names.txt").write_text("bee\nant\n")
    (root / "linked").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"pictures.order = .*; must be a file in .* itself, not by a link"):
        list(folder.entries(root, SETTINGS.model_copy(update={"order": name})))


def test_links_that_make_two_folders_one_are_refused(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "own", "train/ant/1.png", "train/bee/2.png")
    (root / "val").symlink_to(root / "train")
    with pytest.raises(UserError, match=r"val is the same folder as .*train; remove the link"):
        list(folder.entries(root, SETTINGS))
    (root / "val").unlink()
    lay_out(root, "val/ant/3.png")
    (root / "val/bee").symlink_to(root / "train/bee")
    with pytest.raises(UserError, match="is the same folder as"):
        list(folder.entries(root, SETTINGS))


def test_the_order_of_the_labels_can_be_given(tmp_path: Path) -> None:
    root = lay_out(tmp_path, "train/ant/1.png", "train/bee/2.png", "val/ant/3.png", "val/bee/4.png")
    given = SETTINGS.model_copy(update={"order": "names.txt"})
    with pytest.raises(UserError, match=r"pictures.order = names.txt; no such file in"):
        list(folder.entries(root, given))
    (root / "names.txt").write_text("bee\nant\n")
    found = [(entry.label, entry.path) for entry in folder.entries(root, given)]
    assert found == [(0, "train/bee/2.png"), (1, "train/ant/1.png"), (0, "val/bee/4.png"), (1, "val/ant/3.png")]
    for text, name in (("bee\n", "ant"), ("bee\nant\ncow\n", "cow"), ("bee\nant\nbee", "bee")):
        (root / "names.txt").write_text(text)
        with pytest.raises(UserError, match=rf"names.txt: '{name}' is not once in the list"):
            list(folder.entries(root, given))


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
def test_damaged_exif_leaves_the_stored_size(tmp_path: Path) -> None:
    path = tmp_path / "odd.jpg"
    Image.new("RGB", (20, 10)).save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    with warnings.catch_warnings(action="error"):
        assert image_size(path) == (20, 10)
    assert pixels(path.read_bytes()).shape == (10, 20, 3)
