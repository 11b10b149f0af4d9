"""evolution: what excites each feature map most, after some epochs of training (Fig. 4, section 4).

Reads zfnet's snapshots, the training beton and its mean; writes evolution/evolution.parquet (every map after every
snapshot), evolution/settled.csv, and for each layer N layerN.npy and layerN_patches.npy (the drawn maps). Costs less
than a minute on two cores with the default parameters.
"""

import numpy as np
import pandas as pd

from zfpipe import params, paths, stage, unavailable
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.probes import evolution, projections

BATCH = 64


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    files = sorted(paths.snapshots("zfnet").glob("*.safetensors"))
    reason = None if files else "training kept no snapshots: runs.zfnet.snapshots is empty"
    if settings.network("zfnet").trained_elsewhere:
        reason = "its layers were trained elsewhere (model.source), so there are no snapshots of them"
    if unavailable.settle(paths.EVOLUTION, reason):
        return
    inputs = MeanSubtraction.read(paths.MEAN, crop, device())
    with Batches(paths.beton("train"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes = batches.classes
        networks = {int(path.stem): weights.load(path, device()) for path in files}
        seen = {epoch: evolution.watch(network, batches, inputs) for epoch, network in networks.items()}
        rows = evolution.compared(seen, settings.evolution)
        crops = projections.gather(batches, set(rows.loc[rows["drawn"], "id"].tolist()))
    drawn = rows[rows["drawn"]].assign(rank=0)
    projected = [
        projections.project(network, crops, drawn.query("epoch == @epoch"), inputs, settings.deconvnet)
        for epoch, network in networks.items()
    ]
    described = []
    for layer in sorted(projected[0]):
        found = [of_epoch[layer] for of_epoch in projected]
        described += [one.rows for one in found]
        for name, arrays in (("", [one.projections for one in found]), ("_patches", [one.patches for one in found])):
            with stage.whole(paths.EVOLUTION / f"layer{layer}{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, np.concatenate(arrays, axis=1))
    table = rows.merge(pd.concat(described).drop(columns="rank"), how="left")
    table["class"] = [classes[int(label)] if label >= 0 else None for label in table["label"].fillna(-1)]
    with stage.whole(paths.EVOLUTION / "evolution.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    with stage.whole(paths.EVOLUTION / "settled.csv") as temporary:
        evolution.settled(rows).to_csv(temporary, index=False)


if __name__ == "__main__":
    stage.run(main)
