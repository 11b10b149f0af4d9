"""betons SPLIT: write the images of a split, resized and cut to squares, in FFCV's format (section 3).

Reads data/pictures/index.parquet and the images. Writes data/betons/SPLIT.beton, SPLIT.json (checksum, counts,
classes) and SPLIT.rejected.csv (images that could not be read). Costs seconds for the default pictures.
"""

from functools import partial

from zfpipe import params, paths, stage
from zfpipe.index.images import image_bytes, read_index
from zfpipe.writing.writer import without, write_beton


def main() -> None:
    settings = params.load()
    split = stage.argument("a split", ("train", "val"))
    rows = read_index(paths.INDEX).query("split == @split")
    if split == "train" and settings.overlap.exclude:
        rows = without(rows, [paths.overlap(name) / "overlap.csv" for name in settings.overlap.sets])
    read = partial(image_bytes, settings.pictures.base)
    sidecar = write_beton(rows, read, settings.betons, paths.beton(split))
    stage.log(f"{split}: {sidecar.count} images of {len(sidecar.classes)} classes, {sidecar.rejected} rejected")


if __name__ == "__main__":
    stage.run(main)
