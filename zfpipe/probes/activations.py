"""How strongly, and where, every feature map responds to every image (section 4)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tqdm import tqdm

from zfpipe import stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet.network import ConvNet

MAPS_PER_ROW_GROUP = 16

SCHEMA = pa.schema(
    [
        pa.field("layer", pa.int8(), metadata={"meaning": "convolution layer, from 1"}),
        pa.field("map", pa.int16(), metadata={"meaning": "feature map of the layer, from 0"}),
        pa.field("id", pa.int64(), metadata={"meaning": "image, as in index.parquet"}),
        pa.field("activation", pa.float32(), metadata={"meaning": "largest value of the rectified map, centre crop"}),
        pa.field("y", pa.int16(), metadata={"meaning": "row of that value in the map, from 0; the first if several"}),
        pa.field("x", pa.int16(), metadata={"meaning": "column of that value in the map, from 0"}),
    ]
)


def measure(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> Iterator[pa.Table]:
    """The maximum of every map on every image, a table per layer, sorted by map and image.

    The maximum over the rectified map is also that over the pooled one, which keeps maxima.
    """
    ids: list[np.ndarray] = []
    values: dict[int, list[np.ndarray]] = {}
    places: dict[int, list[np.ndarray]] = {}
    widths: dict[int, int] = {}
    for batch in tqdm(batches.epoch(), total=len(batches), desc="activations", leave=False, disable=None):
        ids.append(batch.ids.numpy())
        with torch.inference_mode():
            for trace in network.trace(inputs(batch)):
                value, place = trace.rectified.flatten(2).max(2)
                values.setdefault(trace.layer, []).append(value.cpu().numpy())
                places.setdefault(trace.layer, []).append(place.to(torch.int32).cpu().numpy())
                widths[trace.layer] = trace.rectified.shape[-1]
    order = np.argsort(np.concatenate(ids))
    images = np.concatenate(ids)[order]
    for layer in sorted(values):
        value = np.concatenate(values.pop(layer))[order].T
        place = np.concatenate(places.pop(layer))[order].T
        maps = len(value)
        yield pa.table(
            {
                "layer": np.full(value.size, layer, np.int8),
                "map": np.repeat(np.arange(maps, dtype=np.int16), len(images)),
                "id": np.tile(images, maps),
                "activation": value.ravel(),
                "y": (place // widths[layer]).ravel().astype(np.int16),
                "x": (place % widths[layer]).ravel().astype(np.int16),
            },
            schema=SCHEMA,
        )


def write(tables: Iterator[pa.Table], images: int, path: Path) -> None:
    """Writes the tables of so many images one after another, laid out so that one map's rows are read alone."""
    encoding = {"activation": "BYTE_STREAM_SPLIT", "id": "DELTA_BINARY_PACKED"}
    with (
        stage.whole(path) as temporary,
        pq.ParquetWriter(
            temporary,
            SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=["layer", "map"],  # pyright: ignore[reportArgumentType]
            column_encoding=encoding,
        ) as writer,
    ):
        for table in tables:
            writer.write_table(table, row_group_size=images * MAPS_PER_ROW_GROUP)


def strongest(path: Path, layer: int, maps: list[int], count: int) -> pd.DataFrame:
    """The images that drive each of some maps of a layer most: columns of the table and `rank`, 0 the strongest.

    One activation per image; of equal activations the smaller id comes first.
    """
    rows = pq.read_table(path, filters=[("layer", "==", layer), ("map", "in", maps)]).to_pandas()
    rows = rows.sort_values(["map", "activation", "id"], ascending=[True, False, True])
    rows["rank"] = rows.groupby("map").cumcount()
    return rows[rows["rank"] < count].reset_index(drop=True)


def layers(path: Path) -> dict[int, int]:
    """The layers of the table and how many maps each has."""
    file = pq.ParquetFile(path)
    counts: dict[int, int] = {}
    for group in range(file.num_row_groups):
        row_group = file.metadata.row_group(group)
        layer, last_map = (row_group.column(column).statistics.max for column in (0, 1))
        counts[layer] = max(counts.get(layer, 0), last_map + 1)
    return counts
