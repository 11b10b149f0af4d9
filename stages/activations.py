"""activations: the maximum of every feature map on every validation image (section 4).

Reads zfnet's weights and the validation beton; writes activations/: val.parquet (every maximum), strongest.parquet (the
strongest of every map) and maps.parquet (a row for each map). Costs a few seconds.
ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths
from zfpipe.probes import activations
from zfpipe.processes import distributed
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    subject = Subject.open(settings)
    with subject.batches(part=distributed.part()) as batches:
        activations.run(
            subject.network, batches, subject.inputs, settings.projections.strongest, paths.ACTIVATIONS, paths.SPOOL
        )


if __name__ == "__main__":
    distributed.run(main)
