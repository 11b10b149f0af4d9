"""projections: the strongest activations of a random subset of maps, projected to pixels (Fig. 2, section 2.1).

Reads zfnet's weights, its activations and the validation beton; writes projections/: projections.parquet and, for each
layer N, layerN.npy (projections) and layerN_patches.npy (what the units saw). Costs a few seconds.
"""

from zfpipe import params, paths, stage, store
from zfpipe.probes import projections
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    strongest = store.load(paths.STRONGEST)
    found = projections.run(Subject.open(settings), strongest, settings.projections, settings.deconvnet)
    store.save_all(paths.PROJECTIONS, found)


if __name__ == "__main__":
    stage.run(main)
