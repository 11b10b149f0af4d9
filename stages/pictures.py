"""pictures: draw or find the images, and write their index (section 5.1).

Draws the embedded pictures, or finds the images of a set. Writes data/pictures/index.parquet and, for embedded
pictures, data/pictures/{train,val}.tar. Costs about half a minute for 7,000 embedded pictures on two cores.
"""

from pathlib import Path

from zfpipe import params, paths, stage
from zfpipe.index.images import write_index
from zfpipe.pictures import links
from zfpipe.pictures.sources import found


def main() -> None:
    settings = params.load()
    links.check(Path(settings.pictures.root), "pictures", "pictures" in settings.watch)
    stage.log(f"{write_index(found(settings.pictures), paths.INDEX)} images")


if __name__ == "__main__":
    stage.run(main)
