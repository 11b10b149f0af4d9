"""Make ImageNet in miniature: the same images in each of the three layouts."""

import gzip
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from zfpipe.pictures.annotations import ARCHIVES
from zfpipe.pictures.imagenet import KAGGLE, MARKED, TRAIN, VAL
from zfpipe.pictures.synsets import DEVKIT, MAPPING, META, TRUTH
from zfpipe.sections import Pictures

WORDS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n03126707": "crane",
    "n09999999": "absent",  # has no training images
}
"""Names of four classes. The training images are of the first three."""


@dataclass
class Images:
    """Hold training images by class and name, validation images and their classes by name, and boxes by name."""

    train: dict[str, dict[str, bytes]] = field(default_factory=dict)
    val: dict[str, bytes] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, bytes] = field(default_factory=dict)


def jpeg(width: int, height: int, **options: object) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (width % 256, height % 256, 9)).save(data, "JPEG", **options)
    return data.getvalue()


def images() -> Images:
    """Make two or three training images of each class, and eight validation images.

    The training images are not in the order of their names, and the first of each class has a box.
    """
    made = Images()
    for number, wnid in enumerate(list(WORDS)[:3]):
        names = [f"{wnid}_{count}" for count in (7, 10, 2)[: 2 + number % 2]]
        made.train[wnid] = {name: jpeg(20 + number, 10 + count) for count, name in enumerate(names)}
        made.boxes[names[0]] = xml([(wnid, (0, 1, 5, 6)), (wnid, (2, 2, 3, 3))], (20 + number, 10))
    for number in range(1, 9):
        name, wnid = f"ILSVRC2012_val_{number:08d}", list(WORDS)[-number % 4]
        made.val[name], made.truth[name] = jpeg(30, 20 + number), wnid
        made.boxes[name] = xml([(wnid, (number, 0, 29, 9))], (30, 20 + number))
    return made


def xml(objects: list[tuple[str, tuple[float, ...]]], size: tuple[int, int]) -> bytes:
    """Return an annotation as in PASCAL VOC."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    listed = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, corners, strict=True))
        + "</bndbox></object>"
        for name, corners in objects
    )
    width, height = size
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{listed}</annotation>".encode()


def tar(files: dict[str, bytes], kind: int = tarfile.GNU_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=kind) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def linked(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    """Return a member that leads elsewhere."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def train_tar(images: Images) -> bytes:
    return tar({f"{wnid}.tar": tar(named(files)) for wnid, files in images.train.items()})


def named(files: dict[str, bytes], ending: str = "JPEG") -> dict[str, bytes]:
    return {f"{name}.{ending}": data for name, data in files.items()}


def devkit_tar(truth: list[str]) -> bytes:
    """Return a development kit with four classes, numbered from 4 down to 1, and a fifth class above them."""
    fields = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "num_children")]
    rows = [(4 - number, wnid, words, 0) for number, (wnid, words) in enumerate(WORDS.items())]
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array([*rows, (5, "n00000001", "entity", 4)], fields)})
    numbers = "".join(f"{4 - list(WORDS).index(wnid)}\n" for wnid in truth)
    kit = "ILSVRC2012_devkit_t12"
    return tar({f"{kit}/readme.txt": b"-", f"{kit}/{META}": meta.getvalue(), f"{kit}/{TRUTH}": numbers.encode()})


def write(root: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def archives(root: Path, images: Images) -> Path:
    """Write the archives as they are downloaded, with boxes."""
    train = {f"{name.partition('_')[0]}/{name}": data for name, data in images.boxes.items() if name[0] == "n"}
    val = {f"val/{name}": data for name, data in images.boxes.items() if name[0] != "n"}
    return write(
        root,
        {
            TRAIN: train_tar(images),
            VAL: tar(named(images.val)),
            DEVKIT: gzip.compress(devkit_tar(list(images.truth.values()))),
            ARCHIVES[0]: gzip.compress(tar(named(train, "xml"))),
            ARCHIVES[2]: gzip.compress(tar(named(val, "xml"))),
        },
    )


def folders(root: Path, images: Images) -> Path:
    """Write a folder for each class, with the names of the classes and the boxes beside."""
    archives(root, images)
    for name in (TRAIN, VAL):
        (root / name).unlink()
    train = {f"train/{wnid}/{name}.JPEG": data for wnid, of in images.train.items() for name, data in of.items()}
    val = {f"val/{images.truth[name]}/{name}.JPEG": data for name, data in images.val.items()}
    return write(root, train | {path: data for path, data in val.items() if "n09999999" not in path})


def kaggle(root: Path, images: Images) -> Path:
    """Write Kaggle's layout, with XML for all boxes except one, which is in a table only."""
    files = {f"{KAGGLE}/train/{wnid}/{name}.JPEG": of[name] for wnid, of in images.train.items() for name in of}
    files |= {f"{KAGGLE}/val/{name}.JPEG": data for name, data in images.val.items()}
    for name, data in images.boxes.items():
        files[f"{MARKED}/{f'train/{name[:9]}' if name[0] == 'n' else 'val'}/{name}.xml"] = data
    del files[f"{MARKED}/train/n01440764/n01440764_7.xml"]
    head = "ImageId,PredictionString\n"
    table = head + "n01440764_7,n01440764 0 1 5 6 n01440764 2 2 3 3 \n"
    solution = head + "".join(f"{name},{wnid} 0 0 1 1 \n" for name, wnid in reversed(images.truth.items()))
    files |= {"LOC_train_solution.csv": table.encode(), "LOC_val_solution.csv": solution.encode()}
    files[MAPPING] = "".join(f"{wnid} {words}\n" for wnid, words in WORDS.items()).encode()
    return write(root, files)


def settings(classes: int | None = None, per_class: int | None = None) -> Pictures:
    return Pictures(
        source="imagenet",
        root="-",
        seed=0,
        train=1,
        val=1,
        val_share=0.5,
        clutter=False,
        parts=None,
        classes=classes,
        per_class=per_class,
        order=None,
    )
