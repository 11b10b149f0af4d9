"""Ten-crop evaluation: the mean of the softmax over corners and centre, flipped or not (sections 3 and 5.1)."""

import numpy as np
import torch
from einops import reduce

from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet.network import ConvNet
from zfpipe.evaluation.predictions import Predictions
from zfpipe.training import distributed


@torch.inference_mode()
def predict(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> Predictions | None:
    """Probabilities over the ten crops of every image of `batches`, which must yield all ten.

    Of several processes the first has them all, the others have None.
    """
    network.eval()
    ids, labels, probabilities = [], [], []
    for batch in distributed.epoch(batches, 0, "ten crops"):
        softmax = network(inputs(batch)).softmax(1)
        probabilities.append(reduce(softmax, "(batch crop) label -> batch label", "mean", crop=10).cpu().numpy())
        ids.append(batch.ids.numpy())
        labels.append(batch.labels.numpy())
    parts = distributed.gathered([np.concatenate(part) for part in (ids, labels, probabilities)])
    if not parts:
        return None
    ids, labels, probabilities = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(ids)
    return Predictions(ids[order], labels[order], probabilities[order])
