"""Read Imagenette: ten easy classes of ImageNet, `train/` and `val/` with a folder for each WordNet id."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from zfpipe.index.images import Entry
from zfpipe.pictures import folder
from zfpipe.sections import Pictures

NAMES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}


def entries(root: Path, settings: Pictures) -> Iterator[Entry]:
    """Yield the images of `folder.entries` with class names; labels follow the WordNet ids."""
    for entry in folder.split_folders(root, settings):
        yield replace(entry, class_name=NAMES.get(entry.class_name, entry.class_name))
