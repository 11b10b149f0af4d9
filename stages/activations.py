"""activations: measure the maximum of every feature map on every validation image (section 4).

Reads zfnet's weights and the validation beton. Writes activations/: val.parquet (every maximum), strongest.parquet
(every map's strongest images), maps.parquet (a row for each map) and untrained.parquet (the strongest images of the
same network with random weights, a baseline for the claims). Costs several seconds.
ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths
from zfpipe.probes import activations
from zfpipe.processes import distributed
from zfpipe.subject.subject import BATCH, Subject


def main() -> None:
    settings = params.load()
    subject, count = Subject.open(settings), settings.projections.strongest
    with subject.batches(distributed.dealt(subject.rows, BATCH)) as batches:
        activations.run(subject.network, batches, subject.inputs, count, paths.ACTIVATIONS, paths.SPOOL)
        untrained = subject.untrained.network
        activations.run_strongest(untrained, batches, subject.inputs, count, paths.STRONGEST_UNTRAINED, paths.SPOOL)


if __name__ == "__main__":
    distributed.run(main)
