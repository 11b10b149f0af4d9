"""Test Tiny-ImageNet, Caltech, VOC and Imagenette in miniature: what is read, and one line for what is wrong."""

import re
from pathlib import Path

import pytest

from tests.pictures.layouts import CRANE, GOLDFISH, OTHER, image, settings, tiny_set, voc_set, xml
from zfpipe.errors import UserError
from zfpipe.index.images import Box, Entry
from zfpipe.pictures import caltech, imagenette, tiny_imagenet, voc
from zfpipe.pictures.sources import SOURCES, limited


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_set(tmp_path)


def test_tiny_imagenet_is_read_with_boxes(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(tiny_imagenet.entries(tiny, settings()))
    names = ["goldfish", f"crane ({CRANE})", f"crane ({OTHER})"]
    assert [(one.split, one.label, one.class_name) for one in found] == [
        *(("train", label, names[label]) for label in (0, 0, 1, 1, 2, 2)),
        *(("val", label, names[label]) for label in (0, 1, 2)),
    ]
    assert found[2] == Entry(
        "train", 1, names[1], f"train/{CRANE}/images/{CRANE}_0.JPEG", 64, 64, box=Box(0, 1, 64, 50)
    )
    assert found[6] == Entry("val", 0, "goldfish", "val/images/val_1.JPEG", 64, 64, box=Box(3, 4, 61, 56))
    assert "1 validation images left out" in capsys.readouterr().out


def test_images_of_tiny_imagenet_without_annotation_are_passed_over(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image(tiny / "val/images/val_9.JPEG", 64, 64)
    found = list(tiny_imagenet.entries(tiny, settings()))
    assert all("val_9" not in one.path for one in found)
    assert "1 files in val/images passed over" in capsys.readouterr().out


def test_classes_of_tiny_imagenet_without_words_are_named_by_their_ids(tiny: Path) -> None:
    (tiny / "words.txt").unlink()
    assert {one.class_name for one in tiny_imagenet.entries(tiny, settings())} == {GOLDFISH, CRANE, OTHER}


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("val/val_annotations.txt", None, "val_annotations.txt not found; pictures.root must hold Tiny-ImageNet"),
        ("val/val_annotations.txt", "val_0.JPEG\tn02012849\t3\t4\t60\n", "line 1: 'val_0.JPEG n02012849 3 4 60'; must"),
        ("val/val_annotations.txt", "../../etc\tn02012849\t3\t4\t60\t61\n", "line 1: '../../etc n02012849"),
        ("val/val_annotations.txt", f"val_0.JPEG\t{CRANE}\t3\t4\t60\t55\n", f"names no image of class {GOLDFISH}"),
        (
            f"train/{CRANE}/{CRANE}_boxes.txt",
            "\na.JPEG\t1\t2\t0\t4\n",
            "line 2: 'a.JPEG 1 2 0 4'; must have 5 columns, the l",
        ),
        (f"train/{CRANE}/{CRANE}_boxes.txt", "a.JPEG\t1\t2\t²\t4\n", "line 1: 'a.JPEG 1 2 ² 4'; must have 5 columns"),
        (f"train/{CRANE}/{CRANE}_boxes.txt", "a.JPEG\t1\t2\tthree\t4\n", "line 1: 'a.JPEG 1 2 three 4'; must have 5"),
    ],
)
def test_a_wrong_tiny_imagenet_is_one_line(path: str, text: str | None, line: str, tiny: Path) -> None:
    (tiny / path).unlink() if text is None else (tiny / path).write_text(text)
    with pytest.raises(UserError, match=re.escape(line)) as error:
        list(tiny_imagenet.entries(tiny, settings()))
    assert "\n" not in str(error.value)


def lay_out_caltech(base: Path, *classes: str) -> None:
    for number, name in enumerate(classes):
        for one in range(4):
            image(base / name / f"image_{one:04d}.jpg", seed=10 * number + one)


def test_caltech101_is_split_and_its_clutter_left_out(tmp_path: Path) -> None:
    lay_out_caltech(tmp_path / "101_ObjectCategories", "BACKGROUND_Google", "bonsai", "Faces")
    for root in (tmp_path, tmp_path / "101_ObjectCategories"):
        found = list(caltech.caltech101(root, settings(val_share=0.25)))
        classes = {(one.split, one.label, one.class_name) for one in found}
        assert classes == {
            (split, label, name) for split in ("train", "val") for label, name in enumerate(["Faces", "bonsai"])
        }
        assert [one.split for one in found] == ["train"] * 6 + ["val"] * 2
        assert all((root / one.path).is_file() for one in found)
    assert len(list(caltech.caltech101(tmp_path, settings(clutter=True)))) == 12


def test_stray_files_of_caltech256_are_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "256_ObjectCategories"
    lay_out_caltech(base, "001.ak47", "056.dog", "257.clutter")
    image(base / "056.dog/greg/vision309/a.jpg")
    (base / "001.ak47/RENAME2").write_text("a stray")
    found = list(caltech.caltech256(tmp_path, settings()))
    assert {one.class_name for one in found} == {"ak47", "dog"}
    assert len(found) == 8
    assert "2 files passed over" in capsys.readouterr().out


def test_classes_of_caltech256_follow_their_numbers(tmp_path: Path) -> None:
    lay_out_caltech(tmp_path, "001.zebra", "002.ant", "010.bat", "257.clutter")
    for clutter, names in ((False, ["zebra", "ant", "bat"]), (True, ["zebra", "ant", "bat", "clutter"])):
        found = list(caltech.caltech256(tmp_path, settings(clutter=clutter)))
        assert {one.label: one.class_name for one in found} == dict(enumerate(names))


def test_no_class_of_caltech_hides_another(tmp_path: Path) -> None:
    lay_out_caltech(tmp_path, "001.cat", "002.cat")
    with pytest.raises(UserError, match=r"002.cat: another folder is cat too; rename one"):
        list(caltech.caltech256(tmp_path, settings()))


def test_a_folder_too_high_is_not_caltech(tmp_path: Path) -> None:
    lay_out_caltech(tmp_path / "caltech101/101_ObjectCategories", "bonsai", "Faces")
    with pytest.raises(UserError, match=r"holds no folder with images; pictures.root must hold 101_ObjectCategories"):
        list(caltech.caltech101(tmp_path, settings()))


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    return voc_set(tmp_path)


def test_voc_is_read_with_boxes_and_labels(devkit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(voc.entries(devkit, settings()))
    folder = "VOCdevkit/VOC2012/JPEGImages"
    boxes = Box(4, 0, 50, 40), Box(0, 0, 10, 10), Box(1, 2, 20, 30)
    assert found == [
        Entry("train", 14, "person", f"{folder}/2008_1.jpg", 50, 40, box=boxes[0], labels=(11, 14), difficult=(7,)),
        Entry("train", 11, "dog", f"{folder}/2008_2.jpg", 50, 40, box=boxes[1], labels=(), difficult=(11,)),
        Entry("val", 0, "aeroplane", f"{folder}/2008_3.jpg", 50, 40, box=boxes[2], labels=(0,)),
    ]
    assert list(limited(found, settings())) == [found[0], found[2]], (
        "images with difficult objects only must be left out of training"
    )
    assert "1 images left out: all their objects are marked difficult" in capsys.readouterr().out
    assert next(iter(voc.entries(devkit / "VOCdevkit/VOC2012", settings()))).path == "JPEGImages/2008_1.jpg"
    assert tuple(sorted(voc.CLASSES)) == voc.CLASSES and len(voc.CLASSES) == 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<annotation>", "2008_3.xml is damaged (no element found"),
        (
            '<!DOCTYPE a [<!ENTITY e "x">]><annotation>&e;</annotation>',
            "2008_3.xml is damaged (not UTF-8, or with a DOCTYPE",
        ),
        (xml(("dog", 0, (60, 1, 70, 2))), "2008_3.xml: a box lies beyond the image, 50x40 pixels"),
        (xml(("unicorn", 0, (1, 1, 2, 2))), "2008_3.xml is damaged ("),
        (xml(("dog", 0, (9, 1, 2, 2))), "2008_3.xml is damaged (an empty box)"),
        (None, "2008_3.xml not found; pictures.root must hold VOCdevkit/VOC2012"),
    ],
)
def test_a_wrong_voc_is_one_line(text: str | None, line: str, devkit: Path) -> None:
    path = devkit / "VOCdevkit/VOC2012/Annotations/2008_3.xml"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(UserError, match=re.escape(line)) as error:
        list(voc.entries(devkit, settings()))
    assert "\n" not in str(error.value)


def test_voc_in_another_encoding_hides_no_doctype(devkit: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY e "x">]><annotation>&e;</annotation>'
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (devkit / "VOCdevkit/VOC2012/Annotations/2008_3.xml").write_bytes(text.encode(encoding))
        with pytest.raises(UserError, match=r"2008_3.xml is damaged"):
            list(voc.entries(devkit, settings()))


def test_images_of_voc_follow_their_names(devkit: Path) -> None:
    (devkit / "VOCdevkit/VOC2012/ImageSets/Main/val.txt").write_text("2008_3\n2008_1\n")
    assert [one.path[-10:-4] for one in voc.entries(devkit, settings()) if one.split == "val"] == ["2008_1", "2008_3"]


def test_boxes_of_voc_end_at_the_border(devkit: Path) -> None:
    path = devkit / "VOCdevkit/VOC2012/Annotations/2008_3.xml"
    path.write_text(xml(("dog", 0, (0, 0, 60, 41)), ("cat", 0, (1, 1, 2, 2))))
    assert list(voc.entries(devkit, settings()))[-1].box == Box(0, 0, 50, 40)


def test_lists_of_voc_stay_in_their_folder(devkit: Path) -> None:
    (devkit / "VOCdevkit/VOC2012/ImageSets/Main/train.txt").write_text("../../secret\n")
    with pytest.raises(UserError, match=r"'\.\./\.\./secret' is no name of an image"):
        list(voc.entries(devkit, settings()))


def test_imagenette_is_read(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for wnid in ("n01440764", "n03888257", "n99999999"):
            image(tmp_path / split / wnid / "a.JPEG")
    found = list(imagenette.entries(tmp_path, settings()))
    assert [(one.split, one.label, one.class_name) for one in found[:3]] == [
        ("train", 0, "tench"), ("train", 1, "parachute"), ("train", 2, "n99999999")
    ]  # fmt: skip
    assert len(found) == 6


def test_classes_are_those_of_torchvision(tmp_path: Path) -> None:
    """torchvision's readers look at the same miniature copies."""
    from torchvision import datasets

    lay_out_caltech(tmp_path / "caltech101/101_ObjectCategories", "BACKGROUND_Google", "bonsai", "Faces", "Leopards")
    theirs = datasets.Caltech101(tmp_path)
    ours = {one.label: one.class_name for one in caltech.caltech101(tmp_path / "caltech101", settings())}
    assert ours == dict(enumerate(theirs.categories))

    for split in ("train", "val"):
        for wnid in list(imagenette.NAMES)[::-1]:
            image(tmp_path / "imagenette2" / split / wnid / "a.JPEG")
    theirs = datasets.Imagenette(tmp_path)
    ours = {one.label: one.class_name for one in imagenette.entries(tmp_path / "imagenette2", settings())}
    assert ours == {label: names[0] for label, names in enumerate(theirs.classes)}


def test_objects_are_those_of_torchvision(devkit: Path) -> None:
    from torchvision import datasets

    ours = {one.path: one for one in voc.entries(devkit, settings())}
    for split in ("train", "val"):
        theirs = datasets.VOCDetection(devkit, "2012", split)
        for number, path in enumerate(theirs.images):
            objects = theirs[number][1]["annotation"]["object"]
            one = ours[Path(path).relative_to(devkit).as_posix()]
            plain = {thing["name"] for thing in objects if thing["difficult"] == "0"}
            assert {voc.CLASSES[label] for label in one.labels or ()} == plain
            assert {voc.CLASSES[label] for label in one.difficult or ()} == {thing["name"] for thing in objects} - plain


def test_every_name_in_params_has_a_source() -> None:
    names = type(settings()).model_fields["source"].annotation.__args__  # type: ignore[union-attr]
    assert set(names) == {"generated", *SOURCES}


def test_the_first_classes_of_a_multilabel_set(devkit: Path) -> None:
    found = list(limited(voc.entries(devkit, settings()), settings(classes=1)))
    assert [(one.label, one.labels) for one in found] == [(0, (0,))]
