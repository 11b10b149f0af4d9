"""evolution: find what excites each feature map most after several epochs of training (Fig. 4, section 4).

Reads zfnet's snapshots, the training beton and its mean. Writes evolution/evolution.parquet (every map after every
snapshot), evolution/settled.csv, and for each layer N layerN.npy and layerN_patches.npy (the drawn maps). Costs less
than a minute on two cores with the default parameters. ZFPIPE_PROCESSES shares the images among several processes.
"""

from typing import Any

from zfpipe import params, paths, unavailable
from zfpipe.probes import evolution
from zfpipe.processes import distributed
from zfpipe.subject.subject import Subject


def measured() -> dict[str, Any]:
    settings = params.load()
    files = evolution.snapshots(paths.snapshots("zfnet"), settings.trained_elsewhere("zfnet"))
    subjects = {epoch: Subject.open(settings, "train", path) for epoch, path in files.items()}
    return evolution.run(subjects, settings.evolution, settings.deconvnet)


def main() -> None:
    unavailable.save(paths.EVOLUTION, measured)


if __name__ == "__main__":
    distributed.run(main)
