"""Features of every layer, kept in pieces, so that no layer has to fit in memory (sections 5.2 and 5.3)."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from tqdm import tqdm

from zfpipe import store
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches

PIECE = 4096
"""Features in a column of the file: of layer 1 at the paper's size (290,400) there are 71 columns."""


@torch.inference_mode()
def write(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction, path: Path) -> None:
    """Writes a row per image, in the order of the beton: id, label, and features in columns `layerN_PIECE`, float32.

    Convolution layers as the layer above sees them: rectified, pooled, normalised; of the fully connected ones the
    last hidden one, rectified. All of the centre crop.
    """
    network.eval()
    with store.whole(path) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            for batch in tqdm(batches.epoch(), total=len(batches), desc="features", leave=False, disable=None):
                columns = {"id": pa.array(batch.ids.numpy()), "label": pa.array(batch.labels.numpy())}
                for layer, features in layers(network, inputs(batch)):
                    for place, piece in enumerate(features.split(PIECE, 1)):
                        flat = pa.array(piece.cpu().contiguous().numpy().ravel())
                        columns[f"layer{layer}_{place:03d}"] = pa.FixedSizeListArray.from_arrays(flat, piece.shape[1])
                table = pa.table(columns)
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd", use_dictionary=False)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def layers(
    network: ConvNet | Foreign, images: Float[torch.Tensor, "image 3 y x"]
) -> Iterator[tuple[int, Float[torch.Tensor, "image feature"]]]:
    """The features of each layer of maps and of the last hidden one, by its number."""
    units = {dense.layer for dense in network.architecture.denses} - {network.architecture.top_hidden}
    for layer, values in network.features(images):
        if layer not in units:
            yield layer, values.flatten(1)
