"""Read or draw the sets that features are transferred to (section 5.2)."""

from collections.abc import Iterable
from pathlib import Path

from zfpipe.drawing import archive
from zfpipe.index.images import Entry
from zfpipe.pictures.sources import SOURCES
from zfpipe.sections import Pictures, Target


def entries(name: str, target: Target, seed: int, folder: Path) -> Iterable[Entry]:
    """Return every image of a set; an embedded set is drawn into `folder`.

    Caltech's images are not split: folds are chosen later. VOC has its own training and validation images.
    """
    if target.embedded:
        half = target.pictures // 2
        return archive.draw_all(seed, {"train": target.pictures - half, "val": half}, folder, which=name)
    # Undo the split of Caltech's readers; no limits apply
    fields = {
        "train": 1,
        "val": 1,
        "val_share": 0.5,
        "clutter": False,
        "parts": None,
        "classes": None,
        "per_class": None,
        "order": None,
    }
    settings = Pictures.model_validate({"source": name, "root": target.root, "seed": seed, **fields})
    return SOURCES[name](Path(target.root), settings)
