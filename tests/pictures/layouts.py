"""Make miniature copies of data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.imports import ROOT
from zfpipe import params
from zfpipe.sections import Pictures

GOLDFISH, CRANE, OTHER = "n01443537", "n02012849", "n03126707"


def image(path: Path, width: int = 20, height: int = 10, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def settings(**changes: object) -> Pictures:
    return params.load(ROOT / "params.yaml").pictures.model_copy(update=changes)


def tiny_set(root: Path) -> Path:
    """Write three classes of Tiny-ImageNet, two with the same name, and a validation image of an absent class."""
    for number, wnid in enumerate((GOLDFISH, CRANE, OTHER)):
        lines = ""
        for name in (f"{wnid}_0.JPEG", f"{wnid}_1.JPEG"):
            image(root / "train" / wnid / "images" / name, 64, 64)
            lines += f"{name}\t0\t{number}\t63\t49\n"
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(lines)
    rows = [("val_0.JPEG", CRANE), ("val_1.JPEG", GOLDFISH), ("val_2.JPEG", "n09999999"), ("val_3.JPEG", OTHER)]
    for name, _ in rows:
        image(root / "val/images" / name, 64, 64)
    text = "".join(f"{name}\t{wnid}\t3\t4\t60\t55\n" for name, wnid in rows)
    (root / "val/val_annotations.txt").write_text(text)
    (root / "words.txt").write_text(f"{GOLDFISH}\tgoldfish, Carassius auratus\n{CRANE}\tcrane\n{OTHER}\tcrane\n")
    return root


def xml(*objects: tuple[str, int, tuple[int, int, int, int]]) -> str:
    things = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
        for name, difficult, (x0, y0, x1, y1) in objects
    )
    return f"<annotation><size><width>50</width><height>40</height></size>{things}</annotation>"


def voc_set(root: Path) -> Path:
    """Write three images of VOC, one of them with a difficult object only."""
    base = root / "VOCdevkit/VOC2012"
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
    return root
