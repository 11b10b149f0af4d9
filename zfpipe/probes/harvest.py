"""Write features of every layer in pieces, so that no layer has to fit in memory (sections 5.2 and 5.3)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Shaped

from zfpipe import store
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.errors import UserError
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches

BATCH = 64
PIECE = 4096
"""Features in a column of the file: layer 1 at the paper's size (290,400 features) takes 71 columns."""


def run(network: ConvNet | Foreign, beton: Path, inputs: MeanSubtraction, path: Path, aside: Path) -> None:
    """Write a row for each image in the order of the beton: id, label, and features in columns `layerN_PIECE`.

    Features of a convolution layer are rectified, pooled and normalised, as the next layer receives them. Of the fully
    connected layers only the last hidden layer is kept, rectified. All features are of the centre crop, in float32, or
    in float16 from a GPU. Processes share the images: each writes to `aside`, a folder that all must see, and the
    first process joins the files. Raise UserError if a feature exceeds the range of float16.
    """
    rows = distributed.dealt(np.arange(read_sidecar(beton).count), BATCH)
    with Batches(beton, batch=BATCH, crop=network.architecture.crop, crops="centre", rows=rows) as batches:
        if distributed.part()[1] == 1:
            write(tables(network, batches, inputs), path)
            return
        with store.scratch(aside) if distributed.first() else nullcontext():
            own = distributed.shared(lambda: aside) / str(distributed.part()[0])  # waits until the folder exists
            write(tables(network, batches, inputs), own)
            if parts := distributed.gathered(own):
                write(in_turns(parts), path)


def write(tables: Iterable[pa.Table], path: Path) -> None:
    """Write the batches' tables to one file; write an empty file if there are none."""
    with store.whole(path) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            for table in tables:
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd", use_dictionary=False)
                writer.write_table(table)
        finally:
            if writer is None:
                temporary.touch()
            else:
                writer.close()


def in_turns(paths: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield one batch of each file in turn, which is the order in which the batches were dealt to the processes."""
    files = [pq.ParquetFile(store.opened(path)) for path in paths if path.stat().st_size]
    for number in range(files[0].num_row_groups):
        yield from (as_made(file.read_row_group(number)) for file in files if number < file.num_row_groups)


def as_made(table: pa.Table) -> pa.Table:
    """Return a table read from a file with the types it was written with: Parquet renames the items of a list."""

    def plain(kind: pa.DataType) -> pa.DataType:
        return pa.list_(kind.value_type, kind.list_size) if isinstance(kind, pa.FixedSizeListType) else kind

    return table.cast(pa.schema([(field.name, plain(field.type)) for field in table.schema]))


def tables(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction) -> Iterator[pa.Table]:
    """Yield a table with the features of each batch."""
    network.eval()
    for batch, images in inputs.ahead(distributed.epoch(batches, 0, "features")):
        columns = {"id": pa.array(batch.ids.numpy()), "label": pa.array(batch.labels.numpy())}
        with torch.inference_mode():
            for layer, features in layers(network, images):
                for place, piece in enumerate(features.split(PIECE, 1)):
                    flat = pa.array(kept(piece, layer).ravel())
                    columns[f"layer{layer}_{place:03d}"] = pa.FixedSizeListArray.from_arrays(flat, piece.shape[1])
        yield pa.table(columns)


def kept(features: Float[torch.Tensor, "image feature"], layer: int) -> Shaped[np.ndarray, "image feature"]:
    """Convert features for the file: to float16 from a GPU, whose last bits differ from a CPU's anyway."""
    if features.device.type == "cpu":
        return features.contiguous().numpy()
    half = features.half()
    if not half.isfinite().all():
        raise UserError(
            f"layer {layer} has features up to {float(features.abs().max()):.3g}; in half precision at most 65504; "
            "use ZFPIPE_DEVICE=cpu for this stage"
        )
    return half.cpu().numpy()


def layers(
    network: ConvNet | Foreign, images: Float[torch.Tensor, "image 3 y x"]
) -> Iterator[tuple[int, Float[torch.Tensor, "image feature"]]]:
    """Yield number and features of each convolution layer and of the last hidden layer."""
    units = {dense.layer for dense in network.architecture.denses} - {network.architecture.top_hidden}
    for layer, values in network.features(images):
        if layer not in units:
            yield layer, values.flatten(1)
