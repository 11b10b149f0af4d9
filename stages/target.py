"""target SET: prepare a data set that features are transferred to (section 5.2).

Reads the set in place, or draws it. Writes data/targets/SET/: index.parquet, images.beton with images.json and
images.rejected.csv and, for an embedded set, its pictures. Costs seconds for the embedded sets.
"""

from functools import partial
from pathlib import Path

from zfpipe import params, paths, sections, stage
from zfpipe.index.images import image_bytes, read_index, write_index
from zfpipe.pictures import links, targets


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", sections.TARGETS)
    target, folder = getattr(settings.targets, name), paths.target(name)
    links.check(Path(target.root), "targets", "targets" in settings.watch)
    write_index(targets.entries(name, target, settings.transfer.seed, folder), folder / "index.parquet")

    from zfpipe.writing.writer import write_beton  # imports torch, which every process that draws would import too

    read = partial(image_bytes, folder if target.embedded else Path(target.root))
    sidecar = write_beton(read_index(folder / "index.parquet"), read, settings.betons, folder / "images.beton")
    stage.log(f"{name}: {sidecar.count} images of {len(sidecar.classes)} classes, {sidecar.rejected} rejected")


if __name__ == "__main__":
    stage.run(main)
