"""overlap SET: find training images that are also in another set, such as Caltech-101's in ImageNet (section 5.2).

Reads data/pictures/index.parquet, the training images and the set of this name in `overlap.sets`. Writes
data/overlap/SET/: overlap.csv, the set's target.parquet and, if there are pairs, sheet.png, lowest correlation first.
Costs about as much as writing the betons of both sets.
"""

from functools import partial
from pathlib import Path

from zfpipe import params, paths, stage
from zfpipe.index.images import image_bytes, read_index, write_index
from zfpipe.pictures import links
from zfpipe.pictures.sources import whole
from zfpipe.probes import overlap
from zfpipe.probes.overlap import ImageSet


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", settings.overlap.sets)
    other, folder = settings.overlap.sets[name], paths.overlap(name)
    links.check(Path(other.root), "pictures", "pictures" in settings.watch)
    write_index(whole(other, settings.pictures), folder / "target.parquet")
    train = ImageSet(read_index(paths.INDEX).query("split == 'train'"), partial(image_bytes, settings.pictures.base))
    target = ImageSet(read_index(folder / "target.parquet"), partial(image_bytes, Path(other.root)))
    stage.log(overlap.write(train, target, settings.overlap, folder))


if __name__ == "__main__":
    stage.run(main)
