"""units: find the images that excite each class unit and the strongest hidden units most (not in the paper).

Reads zfnet's weights and the validation beton. Writes units/: strongest.parquet (the strongest images of every class
unit and of each fully connected layer's strongest hidden units) and units.parquet (a row for each unit). Costs a few
seconds. ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths, store
from zfpipe.probes import units
from zfpipe.processes import distributed
from zfpipe.subject.subject import BATCH, Subject


def main() -> None:
    settings = params.load()
    subject, count = Subject.open(settings), settings.projections.strongest
    with subject.batches(distributed.dealt(subject.rows, BATCH)) as batches:
        epoch = distributed.epoch(batches, 0, "units")
        parts = distributed.gathered(units.measure(subject.network, subject.inputs.ahead(epoch), count))
    if parts:
        found = units.tables(parts, subject.network.architecture, subject.classes, count)
        store.save_all(paths.UNITS, found)


if __name__ == "__main__":
    distributed.run(main)
