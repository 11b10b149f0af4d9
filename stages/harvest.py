"""harvest SET: compute every layer's features of every image of a data set (section 5.2).

Reads zfnet's weights, the mean and data/targets/SET/images.beton. Writes harvest/SET.parquet. Costs seconds for the
embedded sets. ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths, sections, stage
from zfpipe.beton.sidecar import verify
from zfpipe.network import weights
from zfpipe.network.numerics import device
from zfpipe.probes import harvest
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", sections.TARGETS)
    beton = paths.target(name) / "images.beton"
    verify(beton)
    network = weights.load(paths.weights("zfnet"), device(), settings.model.source)
    inputs = MeanSubtraction.read(paths.MEAN, settings.crops.size, device(), network.input_mean)
    harvest.run(network, beton, inputs, paths.harvest(name), paths.SPOOL.with_name(f"harvest-{name}"))


if __name__ == "__main__":
    distributed.run(main)
