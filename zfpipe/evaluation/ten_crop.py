"""Ten-crop evaluation: the mean of the softmax over corners and centre, flipped or not (sections 3 and 5.1)."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from einops import reduce
from torch import Tensor

from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batch, Batches
from zfpipe.convnet.network import ConvNet
from zfpipe.device import fetched
from zfpipe.evaluation.predictions import Predictions
from zfpipe.training import distributed


def softmaxes(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> Iterator[Predictions]:
    """Probabilities over the ten crops of the images of each batch of `batches`, which must yield all ten."""
    network.eval()
    waiting: list[tuple[Batch, Callable[[], Tensor]]] = []  # one batch: a GPU works on the next meanwhile
    for batch, images in inputs.ahead(distributed.epoch(batches, 0, "ten crops")):
        with torch.inference_mode():
            softmax = network(images).softmax(1)
            mean = reduce(softmax, "(batch crop) label -> batch label", "mean", crop=10)
        waiting.append((batch, fetched(mean)))
        if len(waiting) > 1:
            yield predictions(*waiting.pop(0))
    for last in waiting:
        yield predictions(*last)


def predictions(batch: Batch, probabilities: Callable[[], Tensor]) -> Predictions:
    """Of a batch, once its probabilities are there."""
    return Predictions(batch.ids.numpy(), batch.labels.numpy(), probabilities().numpy())


def predict(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> Predictions | None:
    """Probabilities over the ten crops of every image, in the order of their ids.

    Of several processes the first has them all, the others have None.
    """
    ids, labels = np.empty((2, batches.images), np.int64)
    probabilities, count = np.empty((0, 0), np.float32), 0
    for part in softmaxes(network, batches, inputs):
        if not count:
            # In one piece: what is kept of each batch would break up the memory that the network frees
            probabilities = np.empty((batches.images, part.probabilities.shape[1]), np.float32)
        rows = slice(count, count + len(part.ids))
        ids[rows], labels[rows], probabilities[rows] = part.ids, part.labels, part.probabilities
        count = rows.stop
    parts = distributed.gathered([ids[:count], labels[:count], probabilities[:count]])
    if not parts:
        return None
    ids, labels, probabilities = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(ids)
    return Predictions(ids[order], labels[order], probabilities[order])


def top_error(network: ConvNet, batches: Batches, inputs: MeanSubtraction, k: int) -> float:
    """The same number as `predict`'s `top_error`, in every process; no probabilities are kept, of a million images."""
    wrong = sum(int(part.wrong(k).sum()) for part in softmaxes(network, batches, inputs))
    return int(distributed.summed(torch.tensor(wrong))) / batches.images
