"""activations: the maximum of every feature map on every validation image (section 4).

Reads zfnet's weights and the validation beton; writes activations/: val.parquet (every maximum), strongest.parquet (the
strongest of every map) and maps.parquet (a row for each map). Costs a few seconds.
"""

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.probes import activations

BATCH = 64


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        network = weights.load(paths.weights("zfnet"), device())
        inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
        activations.run(network, batches, inputs, settings.projections.strongest, paths.ACTIVATIONS)


if __name__ == "__main__":
    stage.run(main)
