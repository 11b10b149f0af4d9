"""principle: one activation up and down through layers 1 and 2, step by step (Fig. 1, section 2.1).

Reads zfnet's weights, its activations and the validation beton; writes principle/steps.safetensors and steps.json: the
strongest activation of layer 2 over the validation images. Costs seconds.
"""

import json

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from zfpipe import params, paths, stage, unavailable
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.convnet.receptive_field import receptive_field
from zfpipe.device import device
from zfpipe.probes import principle, projections

BATCH = 64
LAYER = 2
SHOWN = 4
"""Pooled values a side that the figure shows in numbers, beside those at the border."""


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    network = weights.load(paths.weights("zfnet"), device())
    first, *above = network.architecture.convs
    reason = None if first.pool and above else "there is no pooling between layers 1 and 2"
    if reason is None and first.size <= SHOWN:
        reason = f"layer 1's pooled maps are too small: {first.size} x {first.size}"
    if unavailable.settle(paths.PRINCIPLE, reason):
        return
    assert first.pool is not None
    rows = pd.read_parquet(paths.STRONGEST).query("layer == @LAYER and rank == 0")
    chosen = rows.loc[rows["activation"].idxmax()]
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes = batches.classes
        crops = projections.gather(batches, {int(chosen["id"])})
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    batch = crops.batch([int(chosen["id"])])
    unit = (int(chosen["map"]), int(chosen["y"]), int(chosen["x"]))
    found = principle.steps(network, inputs(batch), unit, settings.deconvnet)
    arrays = {"image": crops.images[0].numpy(), **found.arrays()}
    with stage.whole(paths.PRINCIPLE / "steps.safetensors") as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
    field = receptive_field(network.architecture, LAYER)
    described = {
        "id": int(chosen["id"]),
        "class": classes[int(crops.labels[0])],
        "layer1_map": found.layer1_map,
        "layer2_map": unit[0],
        "y": unit[1],
        "x": unit[2],
        "activation": float(chosen["activation"]),
        "rows": field.visible(unit[1]),
        "columns": field.visible(unit[2]),
        "pool": {"size": first.pool.size, "stride": first.pool.stride},
        "unpooling": settings.deconvnet.unpooling,
    }
    with stage.whole(paths.PRINCIPLE / "steps.json") as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    stage.run(main)
