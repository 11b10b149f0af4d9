"""pictures: where the images come from (section 5.1).

Draws the embedded pictures or walks through a folder of your own; writes data/pictures/index.parquet and, for embedded
pictures, data/pictures/{train,val}.tar. Costs about half a minute for 7,000 embedded pictures on two cores.
"""

from pathlib import Path

from zfpipe import params, paths, stage
from zfpipe.pictures import folder
from zfpipe.pictures.generated import archive
from zfpipe.pictures.index import index_table, write_index


def main() -> None:
    pictures = params.load().pictures
    if pictures.source == "folder":
        entries = folder.entries(Path(pictures.root))
    else:
        counts = {"train": pictures.train, "val": pictures.val}
        entries = archive.draw_all(pictures.seed, counts, paths.PICTURES)
    write_index(index_table(entries), paths.INDEX)
    stage.log(f"{len(entries)} images of {len({entry.label for entry in entries})} classes")


if __name__ == "__main__":
    stage.run(main)
