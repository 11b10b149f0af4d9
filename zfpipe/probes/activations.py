"""Measure how strongly, and where, every feature map responds to every image (section 4)."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional

from zfpipe import store
from zfpipe.network.convnet import ConvNet, LayerTrace
from zfpipe.network.foreign import Foreign
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches

CHUNK = 1024
"""CHUNK images' maxima are kept in memory before writing; MAPS feature maps are read back together."""
MAPS = 16
ENTRY = np.dtype([("activation", np.float32), ("place", np.int32)])

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


@dataclass
class Spool:
    """Maxima written to disk image by image and read map by map, so that memory does not grow with the images."""

    folder: Path
    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    waiting: dict[int, list[np.ndarray]] = field(default_factory=dict)
    maps: dict[int, int] = field(default_factory=dict)
    widths: dict[int, int] = field(default_factory=dict)
    chunks: list[int] = field(default_factory=list)

    def add(self, layer: int, width: int, entries: Shaped[np.ndarray, "image map"]) -> None:
        """Add the maxima of one layer, whose maps are `width` wide, on the next images."""
        self.waiting.setdefault(layer, []).append(entries)
        self.maps[layer], self.widths[layer] = entries.shape[1], width

    def flush(self) -> None:
        """Append the waiting maxima to one file for each layer, as a chunk `(map, image)`."""
        self.chunks.append(len(self.ids) - sum(self.chunks))
        for layer, parts in self.waiting.items():
            with (self.folder / f"layer{layer}").open("ab") as file:
                file.write(np.ascontiguousarray(np.concatenate(parts).T).data)
        self.waiting.clear()

    def blocks(self, layer: int) -> Iterator[Shaped[np.ndarray, "map image"]]:
        """Yield the layer's maxima, some maps at a time; images keep the order in which they were added."""
        for first in range(0, self.maps[layer], MAPS):
            count = min(MAPS, self.maps[layer] - first)
            parts, start = [], 0
            for images in self.chunks:
                offset = (start * self.maps[layer] + first * images) * ENTRY.itemsize
                part = np.fromfile(self.folder / f"layer{layer}", ENTRY, count * images, offset=offset)
                parts.append(part.reshape(count, images))
                start += images
            yield np.concatenate(parts, axis=1)


def measure(network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction, spool: Spool) -> None:
    """Add the maximum of every map on every image to `spool`.

    The maximum of a rectified map equals the maximum of its pooled map, since max pooling keeps it.
    """
    found: list[Maxima] = []  # kept on the device and fetched together, so that a GPU need not wait for each

    def flush() -> None:
        for of_layer in found:
            spool.add(of_layer.layer, of_layer.width, of_layer.entries())
        found.clear()
        spool.flush()

    for batch, images in inputs.ahead(distributed.epoch(batches, 0, "activations")):
        spool.ids += batch.ids.tolist()
        spool.labels += batch.labels.tolist()
        with torch.inference_mode():
            found += map(maxima, network.trace(images, switches=False))
        if len(spool.ids) - sum(spool.chunks) >= CHUNK:
            flush()
    flush()


@dataclass(frozen=True)
class Maxima:
    """The largest value of every rectified map of a layer on some images, and its place in the flattened map."""

    layer: int
    width: int
    value: Float[Tensor, "image map"]
    place: Int64[Tensor, "image map"]

    def entries(self) -> Shaped[np.ndarray, "image map"]:
        """Return values and places in the spool's data type."""
        entries = np.empty(self.value.shape, ENTRY)
        entries["activation"], entries["place"] = self.value.cpu().numpy(), self.place.cpu().numpy()
        return entries


def maxima(trace: LayerTrace) -> Maxima:
    """Return the largest value of each map in `trace`, and its place."""
    value, place = functional.adaptive_max_pool2d(trace.rectified, 1, return_indices=True)  # faster than max
    return Maxima(trace.layer, trace.rectified.shape[-1], value.flatten(1), place.flatten(1))


def tables(spools: Sequence[Spool]) -> Iterator[pa.Table]:
    """Yield one table for each map, by layer and map: its maxima on all images, sorted by image."""
    ids = np.concatenate([np.array(spool.ids, np.int64) for spool in spools])
    order = np.argsort(ids)
    ids = ids[order]
    for layer, width in sorted(spools[0].widths.items()):
        number = 0
        for blocks in zip(*(spool.blocks(layer) for spool in spools), strict=True):
            for entries in np.concatenate(blocks, axis=1)[:, order]:
                y, x = np.divmod(entries["place"], width)
                columns = {
                    "layer": np.full(len(ids), layer, np.int8),
                    "map": np.full(len(ids), number, np.int16),
                    "id": ids,
                    "activation": entries["activation"],
                    "y": y.astype(np.int16),
                    "x": x.astype(np.int16),
                }
                yield pa.table(columns, schema=SCHEMA)
                number += 1


def write(spools: Sequence[Spool], classes: list[str], count: int, folder: Path) -> None:
    """Write the maxima to `val.parquet`, with one row group for each map, so that a map can be read alone.

    Also write `strongest.parquet`, the `count` strongest images of every map with label and class, and `maps.parquet`.
    `maps.parquet` has a row for each map: the mean of its maxima, the largest, and the share of images on which it
    fires.
    """
    best, maps = [], []
    with (
        store.whole(folder / "val.parquet") as temporary,
        pq.ParquetWriter(
            temporary,
            SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=["layer", "map"],  # pyright: ignore[reportArgumentType]
            column_encoding={"activation": "BYTE_STREAM_SPLIT", "id": "DELTA_BINARY_PACKED"},
        ) as writer,
    ):
        for table in tables(spools):
            writer.write_table(table, row_group_size=len(table))
            values = table["activation"].to_numpy()
            best.append(ranked(table, count))
            of_map = {name: table[name][0].as_py() for name in ("layer", "map")}
            statistics = {"mean": values.mean(dtype=np.float64), "largest": values.max(), "fires": (values > 0).mean()}
            maps.append(of_map | statistics)
    for name, rows in (("strongest", leaders(best, spools, classes)), ("maps", pd.DataFrame(maps))):
        store.save(folder / f"{name}.parquet", rows)


def leaders(best: Iterable[pd.DataFrame], spools: Sequence[Spool], classes: list[str]) -> pd.DataFrame:
    """Join every map's strongest rows into one table, with label and class."""
    rows = pd.concat(best, ignore_index=True)
    labels = {image: label for spool in spools for image, label in zip(spool.ids, spool.labels, strict=True)}
    rows["label"] = [labels[image] for image in rows["id"]]
    rows["class"] = [classes[label] for label in rows["label"]]
    return rows


def ranked(table: pa.Table, count: int) -> pd.DataFrame:
    """Return the `count` strongest rows of a map with their `rank`; rank 0 is the strongest."""
    rows = table.take(leading(table["activation"].to_numpy(), count)).to_pandas()
    return rows.assign(rank=np.arange(len(rows), dtype=np.int16))


def leading(values: Shaped[np.ndarray, "image"], count: int) -> Int64[np.ndarray, "rank"]:
    """Return the places of the `count` largest values in falling order; equal values keep their order."""
    if count < len(values):
        candidates = np.flatnonzero(values >= np.partition(values, -count)[-count])
    else:
        candidates = np.arange(len(values))
    return candidates[np.argsort(-values[candidates], kind="stable")][:count]


def strongest(path: Path, layer: int, number: int, count: int) -> pd.DataFrame:
    """Read the `count` images that excite a map most from `val.parquet`: its columns and `rank`, 0 for the strongest.

    Each image counts once. Of equal activations the smaller id comes first. Only that map's rows are read.
    Raise LookupError if there is no such map.
    """
    with pq.ParquetFile(store.opened(path)) as file:

        def of_group(place: int) -> tuple[int, int]:
            columns = (file.metadata.row_group(place).column(column) for column in (0, 1))
            first, second = (column.statistics.max for column in columns)
            return first, second

        # Choosing the row group by number is far faster than pyarrow's filter, which looks at every group
        place = bisect_left(range(file.num_row_groups), (layer, number), key=of_group)
        if place == file.num_row_groups or of_group(place) != (layer, number):
            raise LookupError(f"{path} has no map {number} of layer {layer}")
        return ranked(file.read_row_group(place), count)


@contextmanager
def spooled(
    network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction, aside: Path
) -> Iterator[list[Spool]]:
    """Yield the maxima of all processes to the first process, and an empty list to the others.

    Inside the block the maxima lie on disk in `aside`, a folder that all processes must see.
    """
    with store.scratch(aside) if distributed.first() else nullcontext():
        own = distributed.shared(lambda: aside) / str(distributed.part()[0])  # waits until the folder exists
        own.mkdir()
        spool = Spool(own)
        measure(network, batches, inputs, spool)
        yield [one for one in distributed.gathered(spool) if one.ids]


def run(
    network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction, count: int, folder: Path, aside: Path
) -> None:
    """Measure all maxima and write the tables to `folder`; intermediate files lie in `aside`."""
    with spooled(network, batches, inputs, aside) as spools:
        if spools:
            write(spools, batches.classes, count, folder)


def run_strongest(
    network: ConvNet | Foreign, batches: Batches, inputs: MeanSubtraction, count: int, path: Path, aside: Path
) -> None:
    """Measure all maxima and write only the strongest to `path`, for a network used as a comparison."""
    with spooled(network, batches, inputs, aside) as spools:
        if spools:
            store.save(path, leaders((ranked(table, count) for table in tables(spools)), spools, batches.classes))
