"""Measure whether the pictures need depth: the accuracy of a linear readout of each layer of the trained network.

Read models/zfnet and the betons (run `dvc repro train@zfnet` first). For each layer, train a logistic regression on the
features of the centre crops of the first 5,000 training images. Print the accuracy on the validation images for several
strengths of L2 regularisation; the best counts, which favours no layer. The bar: the accuracy of layer 2 must be at
least 15 points below the highest hidden layer, layer 7 in the paper's network.
"""

import numpy as np
import torch

from benchmarks.thumbnails import TRAIN, accuracy, standardised
from zfpipe import params, paths
from zfpipe.network import weights
from zfpipe.probes.harvest import layers
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches

RUN, STRENGTHS, BAR = "zfnet", (1e-3, 1e-2, 1e-1), 0.15


@torch.inference_mode()
def features(split: str, count: int | None) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Return each layer's features of the first `count` images of a beton (all if None), and their labels."""
    where, crop = torch.device("cpu"), params.load().crops.size
    found: dict[int, list[np.ndarray]] = {}
    labels = []
    rows = None if count is None else np.arange(count)
    with Batches(paths.beton(split), batch=100, crop=crop, crops="centre", rows=rows) as batches:
        network = weights.load(paths.weights(RUN), where)
        inputs = MeanSubtraction.read(paths.MEAN, crop, where, network.input_mean)
        for batch in batches.epoch():
            labels.append(batch.labels.numpy())
            for layer, values in layers(network, inputs(batch)):
                found.setdefault(layer, []).append(values.numpy())
    return {layer: np.concatenate(parts) for layer, parts in found.items()}, np.concatenate(labels)


def main() -> None:
    (seen, known), (unseen, wanted) = features("train", TRAIN), features("val", None)
    labels = torch.from_numpy(np.concatenate([known, wanted])).long()
    train = np.arange(len(labels)) < len(known)
    print(f"{len(known)} training and {len(wanted)} validation images of {int(labels.max()) + 1} classes")
    best = {}
    for layer, values in seen.items():
        rows = standardised(np.concatenate([values, unseen[layer]]), train)
        shares = [accuracy(rows, labels, torch.from_numpy(train), strength, 100) for strength in STRENGTHS]
        best[layer] = max(shares)
        print(f"layer {layer}, {rows.shape[1]:,} features: {', '.join(f'{share:.1%}' for share in shares)}", flush=True)
    gap = best[max(best)] - best[2]
    print(f"layer 2 is {100 * gap:.1f} points below layer {max(best)}; the bar is {'kept' if gap >= BAR else 'broken'}")


if __name__ == "__main__":
    main()
