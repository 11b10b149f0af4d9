"""harvest SET: the features of every image of a set, layer by layer (section 5.2).

Reads zfnet's weights, the mean and data/targets/SET/images.beton; writes harvest/SET.parquet. Costs seconds for the
embedded sets.
"""

from zfpipe import params, paths, stage
from zfpipe.beton.sidecar import verify
from zfpipe.network import weights
from zfpipe.network.numerics import device
from zfpipe.probes import harvest
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches

BATCH = 64


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", params.TARGETS)
    beton = paths.target(name) / "images.beton"
    verify(beton)
    network = weights.load(paths.weights("zfnet"), device(), settings.model.source)
    inputs = MeanSubtraction.read(paths.MEAN, settings.crops.size, device(), network.input_mean)
    with Batches(beton, batch=BATCH, crop=settings.crops.size, crops="centre") as batches:
        harvest.write(network, batches, inputs, paths.harvest(name))


if __name__ == "__main__":
    stage.run(main)
