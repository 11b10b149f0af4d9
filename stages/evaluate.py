"""evaluate RUN: ten-crop errors of a trained network (section 5.1).

Reads its weights and the betons; writes evaluations/RUN.parquet (probabilities on the validation images) and
metrics/RUN.json. Costs about ten seconds on two cores with the default parameters.
ZFPIPE_PROCESSES shares the images among several processes.
"""

import json

import numpy as np

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.betons.sidecar import read_sidecar
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.evaluation import predictions as evaluated
from zfpipe.evaluation import ten_crop
from zfpipe.training import distributed

BATCH = 16


def main() -> None:
    settings = params.load()
    run = stage.argument("a run", settings.runs)
    crop = settings.crops.size
    rank, processes = distributed.part()
    network = weights.load(paths.weights(run), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)

    def open_batches(split: str, rows: np.ndarray | None = None) -> Batches:
        batch, part = BATCH * processes, (rank, processes)
        return Batches(paths.beton(split), batch=batch, crop=crop, crops="ten", rows=rows, part=part)

    count = read_sidecar(paths.beton("train")).count
    wanted = min(settings.evaluation.train_images or count, count)
    with open_batches("train", np.arange(wanted)) as batches:  # the beton's order is a random permutation
        train_top1 = ten_crop.top_error(network, batches, inputs, 1)
    with open_batches("val") as batches:
        val = ten_crop.predict(network, batches, inputs)
    if val is None:
        return
    evaluated.write(val, paths.evaluation(run))
    metrics = {
        "run": run,
        "train_top1": train_top1,
        "train_images": wanted,
        "val_top1": val.top_error(1),
        "val_top5": val.top_error(5),
        "val_images": len(val.ids),
        "classes": network.architecture.denses[-1].units,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    with stage.whole(paths.metrics(run)) as temporary:
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")
    stage.log(f"{run}: validation error {metrics['val_top1']:.1%} top-1, {metrics['val_top5']:.1%} top-5")


if __name__ == "__main__":
    distributed.run(main)
