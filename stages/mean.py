"""mean: the per-pixel mean of the training images (section 3).

Reads the training beton; writes data/betons/mean.npy. Costs a few seconds.
"""

from zfpipe import params, paths, stage
from zfpipe.betons import mean
from zfpipe.betons.reader import Batches
from zfpipe.betons.sidecar import read_sidecar

BATCH = 256


def main() -> None:
    params.load()
    size = read_sidecar(paths.beton("train")).resize
    total = mean.PixelSum()
    with Batches(paths.beton("train"), batch=BATCH, crop=size, crops="centre") as batches:
        for batch in batches.epoch():
            total.add(batch.images.numpy())
    mean.write(total.mean(), paths.MEAN)


if __name__ == "__main__":
    stage.run(main)
