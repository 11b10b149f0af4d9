"""activations: the maximum of every feature map on every validation image (section 4).

Reads zfnet's weights and the validation beton; writes activations/: val.parquet (every maximum), strongest.parquet (the
strongest of every map) and maps.parquet (a row for each map). Costs a few seconds.
ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.probes import activations
from zfpipe.training import distributed

BATCH = 64


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    part = distributed.part()
    with Batches(paths.beton("val"), batch=BATCH * part[1], crop=crop, crops="centre", part=part) as batches:
        network = weights.load(paths.weights("zfnet"), device())
        inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
        activations.run(network, batches, inputs, settings.projections.strongest, paths.ACTIVATIONS)


if __name__ == "__main__":
    distributed.run(main)
