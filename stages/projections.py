"""projections: project the strongest activations of a random subset of maps to pixels (Fig. 2, section 2.1).

Reads zfnet's weights, its activations and the validation beton. Writes projections/: projections.parquet and, for each
layer N, layerN.npy (projections) and layerN_patches.npy (image patches). untrained/ has the same for the network
with random weights. Costs several seconds.
"""

from functools import partial

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.probes import projections
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    subject = Subject.open(settings)
    for one, strongest, folder in (
        (subject, paths.STRONGEST, paths.PROJECTIONS),
        (subject.untrained, paths.STRONGEST_UNTRAINED, paths.PROJECTIONS / "untrained"),
    ):
        rows = store.load(strongest)
        run = partial(projections.run, one, rows, settings.projections, settings.deconvnet)
        unavailable.save(folder, run)


if __name__ == "__main__":
    stage.run(main)
