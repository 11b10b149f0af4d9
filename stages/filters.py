"""filters: layers 1 and 2 of three networks (Fig. 6): ours without and with renormalisation, and AlexNet's.

Reads their weights and the validation beton; writes filters/filters.safetensors and filters.json. Costs a few
seconds.
"""

import json

import numpy as np
from safetensors.numpy import save_file

from zfpipe import params, paths, stage, unavailable
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.probes import filters

RUNS = ("zfnet-unclipped", "zfnet", "alexnet")
BATCH = 64


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    reason = None
    if settings.network("zfnet").trained_elsewhere:
        reason = "it compares networks trained here, and this one's layers were trained elsewhere (model.source)"
    if unavailable.settle(paths.FILTERS, reason):
        return
    inputs = MeanSubtraction.read(paths.MEAN, crop, device())
    pictures, numbers = {}, {}
    for run in RUNS:
        model = settings.network(run)
        with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
            network = weights.load(paths.weights(run), device())
            responses, peaks = filters.watch(network, batches, inputs)
        pictures[run] = filters.layer1_filters(network)
        pictures[f"{run} layer 2"] = filters.layer2_projections(network, peaks, inputs, settings.deconvnet)
        pictures[f"{run} correlation"] = responses.correlation()
        statistics = filters.statistics(pictures[run], pictures[f"{run} layer 2"], responses.dead, model.stride)
        shape = {"filter_size": model.filter_size, "stride": model.stride, "renorm_radius": model.renorm_radius}
        numbers[run] = {**statistics.as_dict(), **shape}
    with stage.whole(paths.FILTERS / "filters.safetensors") as temporary:  # an .npz differs with Python's version
        save_file({name: np.ascontiguousarray(array) for name, array in pictures.items()}, temporary)
    with stage.whole(paths.FILTERS / "filters.json") as temporary:
        temporary.write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    stage.run(main)
