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
        """Return the share of images whose label is not among the `k` most probable. A tie counts as an error."""
        return float(self.wrong(k).mean())

    def wrong(self, k: int) -> Bool[np.ndarray, "image"]:
        """Return a mask of the images whose label is not among the `k` most probable. A tie or NaN counts as wrong."""
        truth = np.take_along_axis(self.probabilities, self.labels[:, None], 1)
        return (~(self.probabilities < truth)).sum(1) > k  # comparisons with NaN are False


def write(predictions: Predictions, path: Path) -> None:
    """Write a row for each image: id, label, probabilities (float32, one for each class in the order of labels).

    With float16, small probabilities of confident networks would become equal, and ties count as errors.
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
    """Read what `write` wrote."""
    table = pq.read_table(store.opened(path))
    probabilities = table["probabilities"].combine_chunks()
    flat = np.asarray(probabilities.flatten(), np.float32)
    return Predictions(table["id"].to_numpy(), table["label"].to_numpy().astype(np.int64), flat.reshape(len(table), -1))
