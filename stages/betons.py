"""betons SPLIT: the images of a split, resized and cut to squares, in FFCV's format (section 3).

Reads data/pictures/index.parquet and the images; writes data/betons/SPLIT.beton, SPLIT.json (checksum, counts, classes)
and SPLIT.rejected.csv (images that could not be read). Costs seconds for the default pictures.
"""

from functools import partial
from pathlib import Path

from zfpipe import params, paths, stage
from zfpipe.betons import overlap
from zfpipe.betons.writer import write_beton
from zfpipe.pictures.index import image_bytes, read_index


def main() -> None:
    settings = params.load()
    split = stage.argument("a split", ("train", "val"))
    base = paths.PICTURES if settings.pictures.source == "generated" else Path(settings.pictures.root)
    rows = read_index(paths.INDEX).query("split == @split")
    if split == "train" and settings.overlap.exclude:
        rows = overlap.without(rows, paths.OVERLAP / "overlap.csv")
    sidecar = write_beton(rows, partial(image_bytes, base), settings.betons, paths.beton(split))
    stage.log(f"{split}: {sidecar.count} images of {len(sidecar.classes)} classes, {sidecar.rejected} rejected")


if __name__ == "__main__":
    stage.run(main)
