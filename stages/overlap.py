"""overlap: training images that stand in another set too, such as Caltech-101's in ImageNet (section 5.2).

Reads data/pictures/index.parquet, the training images and the set that `overlap` names; writes data/overlap/overlap.csv
and, where there are pairs, data/overlap/sheet.png, the most doubtful first. Without such a set the table is empty.
Costs about as much as writing the betons of both sets.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from zfpipe import params, paths, stage
from zfpipe.betons import overlap
from zfpipe.betons.overlap import ImageSet
from zfpipe.pictures.index import image_bytes, read_index, write_index
from zfpipe.pictures.sources import SOURCES


def main() -> None:
    settings = params.load()
    wanted, pictures = settings.overlap, settings.pictures
    pairs = pd.DataFrame(columns=overlap.COLUMNS)
    if wanted.source is not None:
        base = paths.PICTURES if pictures.source == "generated" else Path(pictures.root)
        root = Path(wanted.root)
        whole = pictures.model_copy(update={"clutter": True, "classes": None, "per_class": None})
        write_index(SOURCES[wanted.source](root, whole), paths.OVERLAP / "target.parquet")
        train = ImageSet(read_index(paths.INDEX).query("split == 'train'"), partial(image_bytes, base))
        target = ImageSet(read_index(paths.OVERLAP / "target.parquet"), partial(image_bytes, root))
        pairs, sheet = overlap.find(train, target, wanted)
        if sheet is not None:
            with stage.whole(paths.OVERLAP / "sheet.png") as temporary:
                sheet.save(temporary, format="png")
        stage.log(f"{pairs['id'].nunique()} of {len(train.rows)} training images stand in {wanted.source} too")
    with stage.whole(paths.OVERLAP / "overlap.csv") as temporary:
        pairs.to_csv(temporary, index=False)


if __name__ == "__main__":
    stage.run(main)
