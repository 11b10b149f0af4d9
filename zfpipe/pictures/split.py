"""Split a set that has no split of its own into training and validation images."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures.files import image_size
from zfpipe.sections import Pictures


def split_classes(root: Path, classes: dict[str, list[Path]], settings: Pictures) -> Iterator[Entry]:
    """Yield the images, training first; the seed chooses `settings.val_share` of each class for validation.

    A choice depends only on the seed, the class and the class's files, so that adding a class moves no image of other
    classes. Files of a class with the same bytes stay in one split. Raise UserError for a class with fewer than two
    different images.
    """
    chosen = {name: validation(name, paths, settings) for name, paths in classes.items()}
    for split in ("train", "val"):
        for label, (name, paths) in enumerate(classes.items()):
            for path in paths:
                if (path in chosen[name]) == (split == "val"):
                    yield Entry(split, label, name, path.relative_to(root).as_posix(), *image_size(path))


def validation(name: str, paths: list[Path], settings: Pictures) -> set[Path]:
    """Return the validation files of a class: at least one, never all."""
    copies: dict[bytes, list[Path]] = {}
    for path in paths:
        try:
            copies.setdefault(hashlib.sha256(path.read_bytes()).digest(), []).append(path)
        except OSError:  # the betons stage lists the unreadable file and the reason
            copies.setdefault(str(path).encode(), []).append(path)
    if len(copies) < 2:
        raise UserError(
            f"{paths[0].parent} holds {len(copies)} different image; a class needs two, to train and to validate"
        )
    seed = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], np.uint32).tolist()
    order = np.random.default_rng([settings.seed, *seed]).permutation(len(copies))
    count = min(max(1, round(settings.val_share * len(copies))), len(copies) - 1)
    groups = list(copies.values())
    return {path for group in order[:count] for path in groups[group]}
