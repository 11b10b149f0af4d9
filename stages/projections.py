"""projections: the strongest activations of a random subset of maps, projected to pixels (Fig. 2, section 2.1).

Reads zfnet's weights, its activations and the validation beton; writes projections/: projections.parquet and, for each
layer N, layerN.npy (projections) and layerN_patches.npy (what the units saw). Costs a few seconds.
"""

import numpy as np
import pandas as pd

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.probes import projections

BATCH = 64


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    rows = projections.chosen(pd.read_parquet(paths.STRONGEST), settings.projections)
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        crops = projections.gather(batches, set(rows["id"].tolist()))
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    described = []
    found = projections.project(network, crops, rows, inputs, settings.deconvnet)
    for layer, result in sorted(found.items()):
        described.append(result.rows)
        for name, array in ((f"layer{layer}", result.projections), (f"layer{layer}_patches", result.patches)):
            with stage.whole(paths.PROJECTIONS / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, array)
    table = pd.concat(described, ignore_index=True)
    with stage.whole(paths.PROJECTIONS / "projections.parquet") as temporary:
        table.to_parquet(temporary, index=False)


if __name__ == "__main__":
    stage.run(main)
