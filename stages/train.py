"""train RUN: train one network (section 3).

Reads the betons, their mean and pretrained/. Writes models/RUN/weights.safetensors, history.csv and, after the epochs
that `runs` names, snapshots/. Costs two minutes when two networks train side by side on two cores with the default
parameters. If killed, the next run resumes after the last finished epoch. ZFPIPE_PROCESSES uses several processes.
"""

from collections.abc import Callable

import pandas as pd

from zfpipe import params, paths, stage, store
from zfpipe.network import weights
from zfpipe.network.architecture import variant
from zfpipe.processes import distributed
from zfpipe.training.loop import HISTORY
from zfpipe.training.run import train


def main() -> Callable[[], None] | None:
    settings = params.load()
    name = stage.argument("a run", settings.runs)
    run, betons = settings.runs[name], (paths.beton("train"), paths.beton("val"))
    model, crop, start = variant(settings, name), settings.crops.size, paths.pretrained(run.base)
    found = train(run, model, settings.training, crop, betons, paths.MEAN, start, paths.RESUME)
    if not distributed.first():
        return None
    weights.save(found.network, paths.weights(name))
    store.save(paths.history(name), pd.DataFrame(found.history, columns=HISTORY).astype({"epoch": int}))
    found.resume.hand_over(paths.snapshots(name))
    return found.resume.remove


if __name__ == "__main__":
    distributed.run(main)
