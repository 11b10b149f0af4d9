"""Read a user's images: a folder for each class, in `train/` and `val/` (ImageFolder) or in the root itself."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures.files import (
    class_folders,
    image_paths,
    image_size,
    is_image,
    listed,
    passed_over,
    refuse_same,
    within,
)
from zfpipe.pictures.split import split_classes
from zfpipe.sections import Pictures

SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation")}
"""Names of a split's folder, in lower or upper case."""
TEST = ("test", "testing")
SPLIT = re.compile(r"(^|[_\-. ])(train|training|test|testing|val|valid|validation)([_\-. ]|$)", re.IGNORECASE)
"""Names that look like a split's folder, such as seg_train or test_set."""


def entries(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield every image below `root`, training first, in the order of classes and names.

    Without a split's folder, the root's own folders, at least two, are the classes, and `settings.val_share` of each
    class is for validation. Labels follow the order of class names, or the list in the file `settings.order`. Raise
    UserError, in one line, if the layout is not as expected.
    """
    if not root.is_dir():
        raise UserError(f"pictures.root = {root} is not a folder; it must hold train/ and val/ with a folder per class")
    if any(names(root, split) for split in SPLITS):
        yield from split_folders(root, settings)
        return
    classes = class_folders(root)
    if len(classes) == 1:
        raise UserError(
            f"pictures.root = {root} holds one folder alone; must be two or more classes: {root / classes[0]}?"
        )
    refuse_splits(root, classes)
    others, seen = Counter[str](), dict[str, str]()
    found = {name: image_paths(root / name, others, seen) for name in ordered(classes, root, settings)}
    tell(root, [root], others, {root / name: paths for name, paths in found.items()})
    yield from split_classes(root, found, settings)


def names(root: Path, split: str) -> list[str]:
    """Return the names of folders that are names of a split."""
    return sorted(path.name for path in root.iterdir() if path.name.casefold() in SPLITS[split] and path.is_dir())


def split_folders(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield the images of the folders of both splits, which must hold the same classes."""
    folders = {split: root / only(root, split) for split in SPLITS}
    classes = {split: class_folders(folder) for split, folder in folders.items()}
    for one, other in (("train", "val"), ("val", "train")):
        alone = sorted(set(classes[one]) - set(classes[other]))
        if alone:
            raise UserError(
                f"pictures.root = {root}: class {alone[0]} is in {folders[one].name}/ but not in "
                f"{folders[other].name}/ ({len(alone)} such classes); both must hold the same classes"
            )
    places = {(split, name): folders[split] / name for name in classes["train"] for split in SPLITS}
    refuse_same(iter([*folders.values(), *places.values()]))
    others, seen = Counter[str](), dict[str, str]()
    found = {place: image_paths(path, others, seen) for place, path in places.items()}
    tell(root, list(folders.values()), others, {places[place]: paths for place, paths in found.items()})
    for split in SPLITS:
        for label, name in enumerate(ordered(classes["train"], root, settings)):
            for path in found[split, name]:
                yield Entry(split, label, name, path.relative_to(root).as_posix(), *image_size(path))


def only(root: Path, split: str) -> str:
    """Return the folder of a split. Raise UserError if there is none, or more than one."""
    found = names(root, split)
    if len(found) > 1:
        raise UserError(f"pictures.root = {root} holds {found[0]}/ and {found[1]}/; must be one for {split}")
    if not found:
        spare = sorted(path.name for path in root.iterdir() if path.name.casefold() in TEST and path.is_dir())
        mend = f"; name {spare[0]}/ {split} to validate on it" if spare and split == "val" else ""
        raise UserError(f"pictures.root = {root} has no folder {split}/; it must hold train/ and val/{mend}")
    return found[0]


def refuse_splits(root: Path, classes: list[str]) -> None:
    """Raise UserError if the classes look like splits: all contain the same folders, and no images next to these."""
    held = [sorted(path.name for path in (root / name).iterdir() if not passed_over(path.name)) for name in classes]
    same = len(held[0]) > 1 and all(inner == held[0] for inner in held)
    split = [
        name
        for name, inners in zip(classes, held, strict=True)
        if SPLIT.search(name) and inners and all((root / name / inner).is_dir() for inner in inners)
    ]
    if len(split) > 1 and any("train" in name.casefold() for name in split):
        raise UserError(
            f"pictures.root = {root}: {split[0]}/ and {split[1]}/ hold folders alone and look like splits; name one "
            "train and one val, each with a folder for each class"
        )
    if same and all((root / name / inner).is_dir() for name in classes for inner in held[0]):
        raise UserError(
            f"pictures.root = {root}: {classes[0]}/ and {classes[1]}/ hold the same folders "
            f"({', '.join(held[0][:3])}), so they are no classes; name one train and one val, or put the images of a "
            "class into it"
        )


def ordered(classes: list[str], root: Path, settings: Pictures) -> list[str]:
    """Return the classes in the order of their labels. Raise UserError if a given order is not of these classes."""
    if settings.order is None:
        return classes
    path = within(root, settings.order, "pictures.order")
    if not path.is_file():
        raise UserError(f"pictures.order = {settings.order}; no such file in {root}; must be a class name a line")
    given = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    if sorted(given) != sorted(classes):
        twice = [name for name, count in Counter(given).items() if count > 1]
        odd = sorted(set(given) ^ set(classes)) or twice
        raise UserError(f"{path}: {odd[0]!r} is not once in the list and once a folder; must name each class once")
    return given


def tell(root: Path, above: list[Path], others: Counter[str], found: dict[Path, list[Path]]) -> None:
    """Log the skipped files, and the images in folders below their class's folder."""
    if others:
        stage.log(f"{others.total():,} files passed over, not images by their suffix: {listed(others)}")
    strays = [path for folder in above for path in sorted(folder.iterdir()) if is_image(path.name) and path.is_file()]
    if strays:
        stage.log(f"{len(strays):,} images passed over, in no class folder, the first {strays[0].relative_to(root)}")
    if root not in above:
        spare = [path.name for path in root.iterdir() if path.is_dir() and path not in above]
        if spare := sorted(name for name in spare if not passed_over(name)):
            stage.log(f"folders passed over, of no split: {', '.join(spare)}")
    deep = [path for folder, paths in found.items() for path in paths if path.parent != folder]
    if deep:
        stage.log(
            f"{len(deep):,} images lie in folders within the folder of their class, and count as that class; the "
            f"first {deep[0].relative_to(root)}"
        )
