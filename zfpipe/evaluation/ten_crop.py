"""Ten-crop evaluation: the mean of the softmax over corners and centre, flipped or not (sections 3 and 5.1)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from einops import reduce
from jaxtyping import Float, Int64
from tqdm import tqdm

from zfpipe import stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet.network import ConvNet


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of images, in the order of their ids."""

    ids: Int64[np.ndarray, "image"]
    labels: Int64[np.ndarray, "image"]
    probabilities: Float[np.ndarray, "image class"]

    def top_error(self, k: int) -> float:
        """The share of images whose label is not among the `k` most probable classes; a tie counts against us."""
        truth = np.take_along_axis(self.probabilities, self.labels[:, None], 1)
        at_least_as_probable = (self.probabilities >= truth).sum(1)
        return float((at_least_as_probable > k).mean())


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


def write(predictions: Predictions, path: Path) -> None:
    """Writes a row per image: id, label, probabilities (float16, one per class in label order)."""
    half = pa.array(predictions.probabilities.astype(np.float16).ravel())
    table = pa.table(
        {
            "id": predictions.ids,
            "label": predictions.labels.astype(np.int32),
            "probabilities": pa.FixedSizeListArray.from_arrays(half, predictions.probabilities.shape[1]),
        }
    )
    with stage.whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read(path: Path) -> Predictions:
    """What `write` wrote."""
    table = pq.read_table(path)
    probabilities = table["probabilities"].combine_chunks()
    flat = np.asarray(probabilities.flatten(), np.float32)
    return Predictions(table["id"].to_numpy(), table["label"].to_numpy().astype(np.int64), flat.reshape(len(table), -1))
