"""pictures: where the images come from (section 5.1).

Draws the embedded pictures or finds the images of a set; writes data/pictures/index.parquet and, for embedded
pictures, data/pictures/{train,val}.tar. Costs about half a minute for 7,000 embedded pictures on two cores.
"""

from zfpipe import params, paths, stage
from zfpipe.pictures.generated import archive
from zfpipe.pictures.index import write_index
from zfpipe.pictures.sources import found


def main() -> None:
    pictures = params.load().pictures
    if pictures.source == "generated":
        counts = {"train": pictures.train, "val": pictures.val}
        entries = archive.draw_all(pictures.seed, counts, paths.PICTURES)
    else:
        entries = found(pictures)
    count = write_index(entries, paths.INDEX)
    stage.log(f"{count} images")


if __name__ == "__main__":
    stage.run(main)
