"""Read PASCAL VOC 2012: several classes in an image, object boxes in XML (section 5.2, Table 6)."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from zfpipe.errors import UserError
from zfpipe.index.images import Box, Entry
from zfpipe.pictures.annotations import SIDES, finite, parse
from zfpipe.pictures.files import image_size
from zfpipe.sections import Pictures

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
LAYOUT = "VOCdevkit/VOC2012"


def entries(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield the images of the sets train and val, by name.

    `labels` are the classes with an object that is not marked `difficult`. `difficult` are the classes whose objects
    all are marked: the development kit ignores the image for these classes. `label` and the box are of the largest
    object that is not difficult, or of the largest object if all are. Raise UserError, in one line, if the layout is
    not as expected.
    """
    base = root / LAYOUT if (root / LAYOUT).is_dir() else root
    for split in ("train", "val"):
        for name in listed(base / "ImageSets" / "Main" / f"{split}.txt"):
            plain, difficult = read_objects(base / "Annotations" / f"{name}.xml")
            if not plain and not difficult:
                continue
            path = base / "JPEGImages" / f"{name}.jpg"
            width, height = image_size(path)
            label, box = max(plain or difficult, key=lambda one: (one[1].x1 - one[1].x0) * (one[1].y1 - one[1].y0))
            labels = {label for label, _ in plain}
            yield Entry(
                split,
                label,
                CLASSES[label],
                path.relative_to(root).as_posix(),
                width,
                height,
                box=inside(box, width, height, name),
                labels=tuple(sorted(labels)),
                difficult=tuple(sorted({label for label, _ in difficult} - labels)) or None,
            )


def listed(path: Path) -> list[str]:
    """Return the names in a list of images."""
    if not path.is_file():
        raise UserError(f"{path} not found; pictures.root must hold {LAYOUT} as it is unpacked")
    names = path.read_text(errors="replace").split()
    for name in names:
        if Path(name).name != name:
            raise UserError(f"{path}: {name[:40]!r} is no name of an image; download it again")
    return sorted(names)


def inside(box: Box, width: int | None, height: int | None, name: str) -> Box:
    """Return a box cut at the picture's border, if the size is known. Raise UserError if nothing is left."""
    x1, y1 = min(box.x1, width or box.x1), min(box.y1, height or box.y1)
    cut = Box(max(box.x0, 0), max(box.y0, 0), x1, y1)
    if cut.x0 >= cut.x1 or cut.y0 >= cut.y1:
        raise UserError(f"{name}.xml: a box lies beyond the image, {width}x{height} pixels; download both again")
    return cut


def read_objects(path: Path) -> tuple[list[tuple[int, Box]], list[tuple[int, Box]]]:
    """Return class and box of every object that is not marked difficult, then of every difficult object.

    Boxes in the file count pixels from 1 and include their last pixels.
    """
    try:
        tree = parse(path.read_bytes())
        found = [], []
        for thing in tree.iter("object"):
            difficult = (thing.findtext("difficult") or "0").strip() == "1"
            x0, y0, x1, y1 = (finite(thing.findtext(f"bndbox/{side}")) for side in SIDES)
            if not (x0 <= x1 and y0 <= y1):
                raise ValueError("an empty box")
            label = CLASSES.index(thing.findtext("name") or "")
            found[difficult].append((label, Box(x0 - 1, y0 - 1, x1, y1)))
        return found
    except FileNotFoundError:
        raise UserError(f"{path} not found; pictures.root must hold {LAYOUT} as it is unpacked") from None
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path} is damaged ({' '.join(str(error).split())}); download it again") from None
