"""harvest SET: the features of every image of a set, layer by layer (section 5.2).

Reads zfnet's weights, the mean and data/targets/SET/images.beton; writes harvest/SET.parquet. Costs seconds for the
embedded sets.
"""

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.betons.sidecar import verify
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.pictures import targets
from zfpipe.probes import harvest

BATCH = 64


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", targets.NAMES)
    crop, beton = settings.crops.size, paths.target(name) / "images.beton"
    verify(beton)
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    with Batches(beton, batch=BATCH, crop=crop, crops="centre") as batches:
        harvest.write(network, batches, inputs, paths.harvest(name))


if __name__ == "__main__":
    stage.run(main)
