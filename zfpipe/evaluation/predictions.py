"""Class probabilities of images, in memory and on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int64

from zfpipe import store


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of images, in the order of their ids."""

    ids: Int64[np.ndarray, "image"]
    labels: Int64[np.ndarray, "image"]
    probabilities: Float[np.ndarray, "image class"]

    def top_error(self, k: int) -> float:
        """The share of images whose label is not among the `k` most probable classes; a tie counts against us."""
        return float(self.wrong(k).mean())

    def wrong(self, k: int) -> Bool[np.ndarray, "image"]:
        """On which images that is so; a probability that is no number counts against us as a tie does."""
        truth = np.take_along_axis(self.probabilities, self.labels[:, None], 1)
        return (~(self.probabilities < truth)).sum(1) > k  # NaN is not below anything, nor anything below it


def write(predictions: Predictions, path: Path) -> None:
    """Writes a row per image: id, label, probabilities (float32, one per class in label order).

    Half of that precision would make ties of the small probabilities of confident networks, and ties count against us.
    """
    flat = pa.array(predictions.probabilities.astype(np.float32).ravel())
    table = pa.table(
        {
            "id": predictions.ids,
            "label": predictions.labels.astype(np.int32),
            "probabilities": pa.FixedSizeListArray.from_arrays(flat, predictions.probabilities.shape[1]),
        }
    )
    store.save(path, table)


def read(path: Path) -> Predictions:
    """What `write` wrote."""
    table = pq.read_table(store.opened(path))
    probabilities = table["probabilities"].combine_chunks()
    flat = np.asarray(probabilities.flatten(), np.float32)
    return Predictions(table["id"].to_numpy(), table["label"].to_numpy().astype(np.int64), flat.reshape(len(table), -1))
