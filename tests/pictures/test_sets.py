"""Tiny-ImageNet, Caltech, VOC and Imagenette in miniature: what is read, and one line for what can't be."""

import re
from pathlib import Path

import pytest

from tests.pictures.layouts import image, settings
from zfpipe.errors import UserError
from zfpipe.pictures import caltech, imagenette, tiny_imagenet, voc
from zfpipe.pictures.index import Box, Entry
from zfpipe.pictures.sources import SOURCES, limited

GOLDFISH, CRANE, OTHER = "n01443537", "n02012849", "n03126707"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    for number, wnid in enumerate((GOLDFISH, CRANE, OTHER)):
        lines = ""
        for name in (f"{wnid}_0.JPEG", f"{wnid}_1.JPEG"):
            image(tmp_path / "train" / wnid / "images" / name, 64, 64)
            lines += f"{name}\t0\t{number}\t63\t49\n"
        (tmp_path / "train" / wnid / f"{wnid}_boxes.txt").write_text(lines)
    rows = [("val_0.JPEG", CRANE), ("val_1.JPEG", GOLDFISH), ("val_2.JPEG", "n09999999"), ("val_3.JPEG", OTHER)]
    for name, _ in rows:
        image(tmp_path / "val/images" / name, 64, 64)
    text = "".join(f"{name}\t{wnid}\t3\t4\t60\t55\n" for name, wnid in rows)
    (tmp_path / "val/val_annotations.txt").write_text(text)
    (tmp_path / "words.txt").write_text(f"{GOLDFISH}\tgoldfish, Carassius auratus\n{CRANE}\tcrane\n{OTHER}\tcrane\n")
    return tmp_path


def test_tiny_imagenet(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("val/val_annotations.txt", None, "val_annotations.txt not found; pictures.root must hold Tiny-ImageNet"),
        ("val/val_annotations.txt", "val_0.JPEG\tn02012849\t3\t4\t60\n", "line 1: 'val_0.JPEG n02012849 3 4 60'; must"),
        ("val/val_annotations.txt", "../../etc\tn02012849\t3\t4\t60\t61\n", "line 1: '../../etc n02012849"),
        ("val/val_annotations.txt", f"val_0.JPEG\t{CRANE}\t3\t4\t60\t55\n", f"names no image of class {GOLDFISH}"),
        (f"train/{CRANE}/{CRANE}_boxes.txt", "a.JPEG\t1\t2\tthree\t4\n", "line 1: 'a.JPEG 1 2 three 4'; must have 5"),
    ],
)
def test_tiny_imagenet_otherwise(path: str, text: str | None, line: str, tiny: Path) -> None:
    (tiny / path).unlink() if text is None else (tiny / path).write_text(text)
    with pytest.raises(UserError, match=re.escape(line)) as error:
        list(tiny_imagenet.entries(tiny, settings()))
    assert "\n" not in str(error.value)


def lay_out_caltech(base: Path, *classes: str) -> None:
    for number, name in enumerate(classes):
        for one in range(4):
            image(base / name / f"image_{one:04d}.jpg", seed=10 * number + one)


def test_caltech101(tmp_path: Path) -> None:
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


def test_caltech256_passes_its_strays_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "256_ObjectCategories"
    lay_out_caltech(base, "001.ak47", "056.dog", "257.clutter")
    image(base / "056.dog/greg/vision309/a.jpg")
    (base / "001.ak47/RENAME2").write_text("a stray")
    found = list(caltech.caltech256(tmp_path, settings()))
    assert {one.class_name for one in found} == {"ak47", "dog"}
    assert len(found) == 8
    assert "2 files passed over" in capsys.readouterr().out


def xml(*objects: tuple[str, int, tuple[int, int, int, int]]) -> str:
    things = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
        for name, difficult, (x0, y0, x1, y1) in objects
    )
    return f"<annotation><size><width>50</width><height>40</height></size>{things}</annotation>"


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    base = tmp_path / "VOCdevkit/VOC2012"
    (base / "ImageSets/Main").mkdir(parents=True)
    (base / "Annotations").mkdir()
    images = {
        "2008_1": xml(("dog", 0, (1, 1, 10, 10)), ("person", 0, (5, 1, 50, 40)), ("cat", 1, (1, 1, 50, 40))),
        "2008_2": xml(("dog", 1, (1, 1, 10, 10))),
        "2008_3": xml(("aeroplane", 0, (2, 3, 20, 30))),
    }
    for name, text in images.items():
        image(base / f"JPEGImages/{name}.jpg", 50, 40)
        (base / f"Annotations/{name}.xml").write_text(text)
    (base / "ImageSets/Main/train.txt").write_text("2008_2\n2008_1\n")
    (base / "ImageSets/Main/val.txt").write_text("2008_3\n")
    return tmp_path


def test_voc(devkit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(voc.entries(devkit, settings()))
    folder = "VOCdevkit/VOC2012/JPEGImages"
    assert found == [
        Entry("train", 14, "person", f"{folder}/2008_1.jpg", 50, 40, box=Box(4, 0, 50, 40), labels=(11, 14)),
        Entry("val", 0, "aeroplane", f"{folder}/2008_3.jpg", 50, 40, box=Box(1, 2, 20, 30), labels=(0,)),
    ]
    assert "1 images of train left out" in capsys.readouterr().out
    assert next(iter(voc.entries(devkit / "VOCdevkit/VOC2012", settings()))).path == "JPEGImages/2008_1.jpg"
    assert tuple(sorted(voc.CLASSES)) == voc.CLASSES and len(voc.CLASSES) == 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<annotation>", "2008_3.xml is damaged (no element found"),
        (xml(("unicorn", 0, (1, 1, 2, 2))), "2008_3.xml is damaged ("),
        (xml(("dog", 0, (9, 1, 2, 2))), "2008_3.xml is damaged (an empty box)"),
        (None, "2008_3.xml not found; pictures.root must hold VOCdevkit/VOC2012"),
    ],
)
def test_voc_otherwise(text: str | None, line: str, devkit: Path) -> None:
    path = devkit / "VOCdevkit/VOC2012/Annotations/2008_3.xml"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(UserError, match=re.escape(line)) as error:
        list(voc.entries(devkit, settings()))
    assert "\n" not in str(error.value)


def test_lists_of_voc_stay_in_their_folder(devkit: Path) -> None:
    (devkit / "VOCdevkit/VOC2012/ImageSets/Main/train.txt").write_text("../../secret\n")
    with pytest.raises(UserError, match=r"'\.\./\.\./secret' is no name of an image"):
        list(voc.entries(devkit, settings()))


def test_imagenette(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for wnid in ("n01440764", "n03888257", "n99999999"):
            image(tmp_path / split / wnid / "a.JPEG")
    found = list(imagenette.entries(tmp_path, settings()))
    assert [(one.split, one.label, one.class_name) for one in found[:3]] == [
        ("train", 0, "tench"), ("train", 1, "parachute"), ("train", 2, "n99999999")
    ]  # fmt: skip
    assert len(found) == 6


def test_every_name_in_params_has_a_source() -> None:
    names = type(settings()).model_fields["source"].annotation.__args__  # type: ignore[union-attr]
    assert set(names) == {"generated", *SOURCES}


def test_the_first_classes_of_a_multilabel_set(devkit: Path) -> None:
    found = list(limited(voc.entries(devkit, settings()), settings(classes=1)))
    assert [(one.label, one.labels) for one in found] == [(0, (0,))]
