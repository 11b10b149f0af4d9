"""mean: compute the per-pixel mean of the training images (section 3).

Reads the training beton. Writes data/betons/mean.npy. Costs a few seconds.
"""

from zfpipe import params, paths, stage, store
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.reading import mean
from zfpipe.reading.reader import Batches

BATCH = 256


def main() -> None:
    params.load()
    beton = paths.beton("train")
    with Batches(beton, batch=BATCH, crop=read_sidecar(beton).resize, crops="centre") as batches:
        store.save(paths.MEAN, mean.measure(batches))


if __name__ == "__main__":
    stage.run(main)
