"""scratch SET: train the network of Fig. 3 on a data set alone, from random weights (section 5.2, Tables 4 and 5).

Reads data/targets/SET/images.beton and the mean. Writes transfer/SET/scratch.csv, a row for each number of training
images and fold; no rows if the network was not trained here (model.source). Costs minutes for the embedded sets.
If the stage is killed, its next run resumes after the last finished epoch.
"""

from collections.abc import Callable

from zfpipe import params, paths, stage, store
from zfpipe.network.numerics import device
from zfpipe.probes import scratch
from zfpipe.reading.inputs import MeanSubtraction

SETS = ("caltech101", "caltech256")


def main() -> Callable[[], None]:
    settings = params.load()
    name = stage.argument("a set", SETS)
    beton, target = paths.target(name) / "images.beton", getattr(settings.targets, name)
    inputs = MeanSubtraction.read(paths.MEAN, settings.crops.size, device())
    own = settings.own(scratch.Settings)
    table, states = scratch.run(
        beton, inputs, settings.model, settings.training, target, settings.transfer, own, paths.RESUME
    )
    store.save(paths.TRANSFER / name / "scratch.csv", table)
    return lambda: scratch.forget(states)


if __name__ == "__main__":
    stage.run(main)
