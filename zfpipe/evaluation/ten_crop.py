"""Ten-crop evaluation: the mean softmax over corners and centre, each also flipped (sections 3 and 5.1)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from einops import reduce
from torch import Tensor

from zfpipe.beton.sidecar import read_sidecar
from zfpipe.evaluation.predictions import Predictions
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch, Batches

BATCH = 16


def run(
    network: ConvNet | Foreign, inputs: MeanSubtraction, train: Path, val: Path, train_images: int | None
) -> tuple[Predictions, dict[str, float]] | None:
    """Return the validation images' probabilities, and all errors. `train_images` limits the training images.

    Of several processes, the first returns these results, the others return None.
    """

    def batches(beton: Path, images: int) -> Batches:
        rows = distributed.dealt(np.arange(images), BATCH)
        crop, here = network.architecture.crop, inputs.device.type == "cpu"  # a GPU cuts the ten crops itself
        return Batches(beton, batch=BATCH, crop=crop, crops="ten", rows=rows, cut=here)

    count = read_sidecar(train).count
    wanted = min(train_images or count, count)
    with batches(train, wanted) as seen:  # a beton is in random order, so its first images are a random sample
        train_top1 = top_error(network, seen, inputs, 1)
    with batches(val, read_sidecar(val).count) as unseen:
        found = predict(network, unseen, inputs)
    return found and (
        found,
        {
            "train_top1": train_top1,
            "train_images": wanted,
            "val_top1": found.top_error(1),
            "val_top5": found.top_error(5),
            "val_images": len(found.ids),
            "chance_top1": 1 - float(np.bincount(found.labels).max()) / len(found.labels),
            "classes": network.architecture.denses[-1].units,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
        },
    )


def softmaxes(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction) -> Iterator[Predictions]:
    """Yield the mean probabilities over ten crops for each batch; `batches` must yield all ten crops."""
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
    """Return a batch's predictions; wait for the probabilities."""
    return Predictions(batch.ids.numpy(), batch.labels.numpy(), probabilities().numpy())


def fetched(tensor: Tensor) -> Callable[[], Tensor]:
    """Start to copy a tensor from its device. The returned function waits for this copy only, not for later work."""
    if tensor.device.type == "cpu":
        return lambda: tensor
    copy, done = tensor.to("cpu", non_blocking=True), torch.cuda.Event()
    done.record()

    def wait() -> Tensor:
        done.synchronize()
        return copy

    return wait


def predict(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction) -> Predictions | None:
    """Return the mean probabilities over ten crops of all images in all processes, in the order of ids.

    Of several processes, the first returns all images, the others return None.
    """
    ids, labels = np.empty((2, batches.images), np.int64)
    probabilities, count = np.empty((0, 0), np.float32), 0
    for part in softmaxes(network, batches, inputs):
        if not count:
            # One array: a small one for each batch would fragment the memory that the network frees
            probabilities = np.empty((batches.images, part.probabilities.shape[1]), np.float32)
        rows = slice(count, count + len(part.ids))
        ids[rows], labels[rows], probabilities[rows] = part.ids, part.labels, part.probabilities
        count = rows.stop
    parts = [part for part in distributed.gathered([ids, labels, probabilities]) if len(part[0])]
    if not parts:
        return None
    ids, labels, probabilities = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(ids)
    return Predictions(ids[order], labels[order], probabilities[order])


def top_error(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction, k: int) -> float:
    """Return `top_error` of all processes' images without keeping the probabilities of maybe a million images."""
    wrong = sum(int(part.wrong(k).sum()) for part in softmaxes(network, batches, inputs))
    sums = distributed.summed(torch.tensor([wrong, batches.images]))
    return int(sums[0]) / int(sums[1])
