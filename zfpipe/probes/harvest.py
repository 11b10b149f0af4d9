"""Features of every layer, kept in pieces, so that no layer has to fit in memory (sections 5.2 and 5.3)."""

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
"""Features in a column of the file: of layer 1 at the paper's size (290,400) there are 71 columns."""


def run(network: ConvNet | Foreign, beton: Path, inputs: MeanSubtraction, path: Path, aside: Path) -> None:
    """Writes a row per image, in the order of the beton: id, label, and features in columns `layerN_PIECE`.

    Convolution layers as the layer above sees them: rectified, pooled, normalised; of the fully connected ones the
    last hidden one, rectified. All of the centre crop. In float32, from a GPU in float16. Processes share the images;
    what several have waits in `aside`, which all must see, until the first puts it together. Raises UserError for
    features beyond float16.
    """
    rows = distributed.dealt(np.arange(read_sidecar(beton).count), BATCH)
    with Batches(beton, batch=BATCH, crop=network.architecture.crop, crops="centre", rows=rows) as batches:
        if distributed.part()[1] == 1:
            write(tables(network, batches, inputs), path)
            return
        with store.scratch(aside) if distributed.first() else nullcontext():
            own = distributed.shared(lambda: aside) / str(distributed.part()[0])  # from here on it is there
            write(tables(network, batches, inputs), own)
            if parts := distributed.gathered(own):
                write(in_turns(parts), path)


def write(tables: Iterable[pa.Table], path: Path) -> None:
    """Writes the tables of one after another batch, if there are any."""
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
    """A batch of the first file, of the second, ..., then the next of each: the order in which they were dealt out."""
    files = [pq.ParquetFile(store.opened(path)) for path in paths if path.stat().st_size]
    for number in range(files[0].num_row_groups):
        yield from (as_made(file.read_row_group(number)) for file in files if number < file.num_row_groups)


def as_made(table: pa.Table) -> pa.Table:
    """A table that was read back with the types of one that was not: Parquet calls the items of a list otherwise."""

    def plain(kind: pa.DataType) -> pa.DataType:
        return pa.list_(kind.value_type, kind.list_size) if isinstance(kind, pa.FixedSizeListType) else kind

    return table.cast(pa.schema([(field.name, plain(field.type)) for field in table.schema]))


def tables(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction) -> Iterator[pa.Table]:
    """The features of each batch."""
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
    """As they are written: half the room from a GPU, which computes them with other last bits than a processor."""
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
    """The features of each layer of maps and of the last hidden one, by its number."""
    units = {dense.layer for dense in network.architecture.denses} - {network.architecture.top_hidden}
    for layer, values in network.features(images):
        if layer not in units:
            yield layer, values.flatten(1)
