"""Ten-crop evaluation: the mean of the softmax over corners and centre, flipped or not (sections 3 and 5.1)."""

import numpy as np
import torch
from einops import reduce
from tqdm import tqdm

from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet.network import ConvNet
from zfpipe.evaluation.predictions import Predictions


@torch.inference_mode()
def predict(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> Predictions:
    """Probabilities over the ten crops of every image of `batches`, which must yield all ten."""
    network.eval()
    ids, labels, probabilities = [], [], []
    for batch in tqdm(batches.epoch(), total=len(batches), desc="ten crops", leave=False, disable=None):
        softmax = network(inputs(batch)).softmax(1)
        probabilities.append(reduce(softmax, "(batch crop) label -> batch label", "mean", crop=10).cpu().numpy())
        ids.append(batch.ids.numpy())
        labels.append(batch.labels.numpy())
    order = np.argsort(np.concatenate(ids))
    return Predictions(np.concatenate(ids)[order], np.concatenate(labels)[order], np.concatenate(probabilities)[order])
