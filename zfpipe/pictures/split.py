"""Training and validation images of a set that has no split of its own."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.params import Pictures
from zfpipe.pictures.files import image_size


def split_classes(root: Path, classes: dict[str, list[Path]], settings: Pictures) -> Iterator[Entry]:
    """The images of each class, `settings.val_share` of them, chosen by the seed, for validation; training first.

    A choice depends on the seed, the class and the files in it alone: a class more or less moves no image of the
    others. Files with the same bytes within a class stay on one side. Raises UserError for a class with fewer than two
    different images.
    """
    chosen = {name: validation(name, paths, settings) for name, paths in classes.items()}
    for split in ("train", "val"):
        for label, (name, paths) in enumerate(classes.items()):
            for path in paths:
                if (path in chosen[name]) == (split == "val"):
                    yield Entry(split, label, name, path.relative_to(root).as_posix(), *image_size(path))


def validation(name: str, paths: list[Path], settings: Pictures) -> set[Path]:
    """The files of a class that are for validation: at least one, never all."""
    copies: dict[bytes, list[Path]] = {}
    for path in paths:
        try:
            copies.setdefault(hashlib.sha256(path.read_bytes()).digest(), []).append(path)
        except OSError:  # the betons stage lists it and says why
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
