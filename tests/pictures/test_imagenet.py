"""Test ImageNet in miniature: three layouts give the same entries; what is missing or damaged gives one line."""

import gzip
import os
import re
import signal
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import ilsvrc
from tests.pictures.ilsvrc import Images, settings
from zfpipe.errors import UserError
from zfpipe.index.images import Box, Entry, image_bytes
from zfpipe.pictures import imagenet
from zfpipe.pictures.imagenet import HEAD, KAGGLE, TRAIN, VAL
from zfpipe.pictures.sources import SOURCES
from zfpipe.pictures.synsets import DEVKIT, MAPPING, META, TRUTH

LAYOUTS = {"archives": ilsvrc.archives, "folders": ilsvrc.folders, "kaggle": ilsvrc.kaggle}
Maker = Callable[[Path, Images], Path]
TENCH = "n01440764"


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_WORKERS", "1")


@pytest.fixture
def images() -> Images:
    return ilsvrc.images()


def found(root: Path, classes: int | None = None, per_class: int | None = None) -> list[Entry]:
    return list(SOURCES["imagenet"](root, settings(classes, per_class)))


def refused(root: Path, line: str) -> None:
    with pytest.raises(UserError, match=re.escape(line)) as error:
        found(root)
    assert "\n" not in str(error.value)


def expected(images: Images) -> list[tuple[object, ...]]:
    """Return split, label, bytes and box of each image, in the order of the index."""
    train = [(label, images.train[wnid]) for label, wnid in enumerate(sorted(images.train))]
    val = [
        (label, {name: data for name, data in images.val.items() if images.truth[name] == wnid})
        for label, wnid in enumerate(sorted(images.train))
    ]
    return [
        (split, label, data[name], box_of(name, images))
        for split, classes in (("train", train), ("val", val))
        for label, data in classes
        for name in sorted(data)
    ]


def box_of(name: str, images: Images) -> Box | None:
    """Return the box of an image of `ilsvrc.images` as the index has the box.

    Pixels count from 0, and an annotation includes the last pixel, so that a box ends one pixel later.
    """
    if name not in images.boxes:
        return None
    return Box(0, 1, 6, 7) if name.startswith("n") else Box(int(name[-8:]), 0, 30, 10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_images(layout: str, images: Images, tmp_path: Path) -> None:
    root = LAYOUTS[layout](tmp_path, images)
    entries = found(root)
    read = [(image_bytes(root, entry.path, entry.offset, entry.size), entry) for entry in entries]
    assert [(entry.split, entry.label, data, entry.box) for data, entry in read] == expected(images)
    assert [entry.class_name for entry in entries if entry.split == "train"] == [
        *("tench",) * 2,
        *("crane (n02012849)",) * 3,
        *("crane (n03126707)",) * 2,
    ]
    for data, entry in read:
        assert Image.open(BytesIO(data)).size == (entry.width, entry.height)
    assert (TRAIN in {entry.path for entry in entries}) == (layout == "archives"), "archives must not be unpacked"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_worker_and_two_give_the_same_entries(
    layout: str, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = LAYOUTS[layout](tmp_path, images)
    one = found(root)
    monkeypatch.setattr(imagenet, "worker_count", lambda: 2)
    assert found(root) == one


def kill_yourself(job: object) -> None:
    """Kill the worker, as the out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line(images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "worker_count", lambda: 2)
    monkeypatch.setattr(imagenet, "find", kill_yourself)
    refused(ilsvrc.archives(tmp_path, images), "ZFPIPE_WORKERS=1")


@pytest.mark.parametrize("layout", ["archives", "kaggle"])
def test_validation_images_of_absent_classes_are_left_out_and_counted(
    layout: str, images: Images, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found(LAYOUTS[layout](tmp_path, images))
    assert "2 validation images left out" in capsys.readouterr().out


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_of_the_set_has_the_first_classes_and_images(layout: str, images: Images, tmp_path: Path) -> None:
    entries = found(LAYOUTS[layout](tmp_path, images), 2, 1)
    assert [(entry.split, entry.label, entry.width) for entry in entries] == [
        ("train", 0, 20),
        ("train", 1, 21),
        *(("val", 0, 30),) * 2,
        *(("val", 1, 30),) * 2,
    ]
    assert [entry.height for entry in entries[:2]] == [11, 11], "`_10` comes before `_2` and `_7`"


def test_classes_have_their_names_if_a_list_is_there(images: Images, tmp_path: Path) -> None:
    root = ilsvrc.folders(tmp_path, images)
    (root / DEVKIT).unlink()
    assert {entry.class_name for entry in found(root)} == set(images.train)
    (root / MAPPING).write_text("n01440764 great white shark, white shark\n")
    assert {entry.class_name for entry in found(root)} == {"great white shark", "n02012849", "n03126707"}
    (root / MAPPING).write_text("n01440764 tench\ntench\n")
    refused(root, "LOC_synset_mapping.txt, line 2: 'tench'; must be a WordNet id")


# Archives that hold more than images


def test_links_and_other_members_are_passed_over_and_counted(
    images: Images, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ilsvrc.archives(tmp_path, images)
    want = found(root)
    (tmp_path / "secret.JPEG").write_bytes(ilsvrc.jpeg(77, 77))
    capsys.readouterr()
    inner = BytesIO(ilsvrc.tar(ilsvrc.named(images.train[TENCH])))
    with tarfile.open(fileobj=inner, mode="a") as archive:
        for member in (
            ilsvrc.linked("link.JPEG", tarfile.SYMTYPE, str(tmp_path / "secret.JPEG")),
            ilsvrc.linked("hard.JPEG", tarfile.LNKTYPE, "n01440764_10.JPEG"),
            ilsvrc.linked("null.JPEG", tarfile.CHRTYPE, ""),
            tarfile.TarInfo("../up.JPEG"),
            tarfile.TarInfo("/absolute.JPEG"),
            tarfile.TarInfo("._n01440764_10.JPEG"),
            tarfile.TarInfo("notes.txt"),
            ilsvrc.linked("folder", tarfile.DIRTYPE, ""),
        ):
            archive.addfile(member)
    tars = {f"./{wnid}.tar": ilsvrc.tar(ilsvrc.named(files)) for wnid, files in images.train.items()}
    outer = BytesIO(ilsvrc.tar(tars | {f"./{TENCH}.tar": inner.getvalue(), "../n00000003.tar": b"", "x.tar": b""}))
    with tarfile.open(fileobj=outer, mode="a") as archive:
        archive.addfile(ilsvrc.linked("n00000002.tar", tarfile.SYMTYPE, f"{TENCH}.tar"))
    (root / TRAIN).write_bytes(outer.getvalue())
    assert [(entry.label, entry.width, entry.box) for entry in found(root)] == [
        (entry.label, entry.width, entry.box) for entry in want
    ]
    printed = capsys.readouterr().out
    assert f"{TRAIN}: {TENCH}.tar: 7 members passed over" in printed.replace("./", "")
    assert f"{TRAIN}: 3 members passed over" in printed


def test_a_tar_without_images_is_refused(images: Images, tmp_path: Path) -> None:
    images.train[TENCH] = {}
    refused(ilsvrc.archives(tmp_path, images), f"{TRAIN}: {TENCH}.tar holds no images (.JPEG)")


def test_a_size_behind_a_long_comment_is_found(images: Images, tmp_path: Path) -> None:
    png = BytesIO()
    Image.new("L", (33, 44)).save(png, "PNG")
    images.train[TENCH] = {
        f"{TENCH}_1": ilsvrc.jpeg(50, 60, comment=b"-" * 2 * HEAD),
        f"{TENCH}_2": png.getvalue(),
        f"{TENCH}_3": b"broken",
        f"{TENCH}_4": b"",
    }
    entries = found(ilsvrc.archives(tmp_path, images))[:4]
    assert [(entry.width, entry.height) for entry in entries] == [(50, 60), (33, 44), (None, None), (None, None)]


# Missing and damaged files


@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_a_cut_archive_is_one_line_wherever_it_is_cut(name: str, images: Images, tmp_path: Path) -> None:
    root = ilsvrc.archives(tmp_path, images)
    data = (root / name).read_bytes().rstrip(b"\0")
    for length in [*range(0, len(data), 512), 1, 700, len(data) - 1]:
        (root / name).write_bytes(data[:length])
        refused(root, "is cut short")


@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_a_damaged_header_is_one_line(name: str, images: Images, tmp_path: Path) -> None:
    root = ilsvrc.archives(tmp_path, images)
    data = bytearray((root / name).read_bytes())
    data[3] ^= 1
    (root / name).write_bytes(data)
    refused(root, "is damaged at byte 0, or no tar archive")


def test_a_hole_in_a_download_is_one_line(images: Images, tmp_path: Path) -> None:
    root = ilsvrc.archives(tmp_path, images)
    with (root / TRAIN).open("ab") as file:
        file.truncate(2**23)
    refused(root, "is damaged at byte")


def test_a_cut_development_kit_is_one_line(images: Images, tmp_path: Path) -> None:
    root = ilsvrc.archives(tmp_path, images)
    data = (root / DEVKIT).read_bytes()
    for length in range(0, len(data), 37):
        (root / DEVKIT).write_bytes(data[:length])
        refused(root, DEVKIT)


@pytest.mark.parametrize("name", [META, TRUTH])
def test_a_development_kit_that_lacks_a_file_is_one_line(name: str, images: Images, tmp_path: Path) -> None:
    root = ilsvrc.archives(tmp_path, images)
    kit = gzip.decompress((root / DEVKIT).read_bytes())
    with tarfile.open(fileobj=BytesIO(kit)) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if not member.name.endswith(name)}
        left = {path: file.read() for path, file in files.items() if file}
    (root / DEVKIT).write_bytes(gzip.compress(ilsvrc.tar(left)))
    refused(root, f"holds no {name}; download it again")


def take_away(*paths: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for path in paths:
            (root / path).rename(root / "away")

    return change


def less_truth(root: Path) -> None:
    (root / DEVKIT).write_bytes(gzip.compress(ilsvrc.devkit_tar(list(ilsvrc.images().truth.values())[:-1])))


def rename(old: str, new: str) -> Callable[[Path], None]:
    return lambda root: (root / old).rename(root / new) and None


def put(path: str, text: str) -> Callable[[Path], None]:
    return lambda root: ilsvrc.write(root, {path: text.encode()}) and None


@pytest.mark.parametrize(
    ("layout", "change", "line"),
    [
        ("archives", take_away(VAL), f"holds {TRAIN} but not {VAL}"),
        ("archives", take_away(DEVKIT), f"holds {TRAIN} but not {DEVKIT}"),
        ("archives", take_away(TRAIN), "holds no ImageNet; it must hold"),
        ("archives", less_truth, "8 validation images, but the ground truth has 7, the first that is in one alone is "),
        ("folders", take_away("train"), "train is not a folder"),
        ("folders", take_away("val"), "val is not a folder"),
        ("folders", take_away(f"val/{TENCH}"), f"class {TENCH} is in train but not in val"),
        ("folders", take_away(f"train/{TENCH}"), f"class {TENCH} is in val but not in train"),
        ("kaggle", take_away("LOC_val_solution.csv"), "holds ILSVRC/ but no file LOC_val_solution.csv"),
        ("kaggle", take_away(f"{KAGGLE}/val"), f"holds ILSVRC/ but no folder {KAGGLE}/val"),
        ("kaggle", take_away(f"{KAGGLE}/train"), f"{KAGGLE}/train is not a folder"),
        ("kaggle", take_away(f"{KAGGLE}/val/ILSVRC2012_val_00000003.JPEG"), "7 validation images, but the ground"),
        (
            "kaggle",
            rename(f"{KAGGLE}/val/ILSVRC2012_val_00000003.JPEG", f"{KAGGLE}/val/ILSVRC2012_val_00000009.JPEG"),
            "the ground truth has 8, the first that is in one alone is 'ILSVRC2012_val_00000003'",
        ),
        ("kaggle", put("LOC_val_solution.csv", "a,b\n"), "line 1: the first line must be ImageId,PredictionString"),
        ("kaggle", put("LOC_val_solution.csv", "ImageId,PredictionString\nx,\n"), "line 2: '' is no list of a class"),
        ("kaggle", put("LOC_val_solution.csv", "ImageId,PredictionString\nx\n"), "line 2: 1 columns; must be 2"),
        ("kaggle", put("LOC_train_solution.csv", "ImageId,PredictionString\nx,n 1 2 3 nan\n"), "'nan' is no number"),
        ("kaggle", put("ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000003.xml", "<a>"), "is damaged (no element"),
    ],
)
def test_missing_and_wrong_files_are_named_in_one_line(
    layout: str, change: Callable[[Path], None], line: str, images: Images, tmp_path: Path
) -> None:
    root = LAYOUTS[layout](tmp_path / "root", images)
    change(root)
    refused(root, line)


def test_a_class_without_validation_images_is_refused(images: Images, tmp_path: Path) -> None:
    images.truth = {name: "n09999999" if wnid == TENCH else wnid for name, wnid in images.truth.items()}
    refused(ilsvrc.archives(tmp_path, images), f"class {TENCH} is in train but not in val (1 such classes)")


def test_no_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "is not a folder; it must hold")
