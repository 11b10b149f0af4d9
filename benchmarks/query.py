"""Time finding the nine images that drive a map most in the table of activations.

The table holds made-up maxima of 1,376 maps in 10,000 images, or with `--full` in 50,000, as many as ImageNet has for
validation. The ways are ours, pyarrow's own filter on the same file, and the same filter on a table whose rows are in
the order of the images. Before the timing, all ways must name the same images. Also print the sizes of the tables, and
the time to read the nine of all maps.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import harness
from benchmarks.activations import MAPS, NINE, made_up, streamed
from zfpipe.probes import activations

IMAGES, FULL, DRAWN, LAYER = 10_000, 50_000, 10, 3

Query = Callable[[int], pd.DataFrame]
"""Return the strongest nine of a map of the layer."""


def as_they_come(images: int, path: Path) -> None:
    """Write a row group for each batch of images, in pyarrow's own encodings."""
    with pq.ParquetWriter(path, activations.SCHEMA, compression="zstd") as writer:
        for ids, layers in made_up(images):
            for layer, entries in layers.items():
                y, x = np.divmod(entries["place"].ravel(), MAPS[layer][1])
                columns = [
                    np.full(entries.size, layer, np.int8),
                    np.tile(np.arange(entries.shape[1], dtype=np.int16), len(ids)),
                    np.repeat(np.array(ids, np.int64), entries.shape[1]),
                    entries["activation"].ravel(),
                    y.astype(np.int16),
                    x.astype(np.int16),
                ]
                writer.write_table(pa.table(columns, schema=activations.SCHEMA))


def filtered(path: Path, number: int) -> pd.DataFrame:
    """Return the strongest nine by pyarrow's filter."""
    table = pq.read_table(path, filters=[("layer", "==", LAYER), ("map", "==", number)]).to_pandas()
    return table.sort_values(["activation", "id"], ascending=[False, True]).head(NINE)


def queries(folder: Path) -> dict[str, Query]:
    """Return the ways to query, ours first."""
    ours, plain = folder / "val.parquet", folder / "plain.parquet"
    return {
        "ours": lambda number: activations.strongest(ours, LAYER, number, NINE),
        "pyarrow's filter on ours": lambda number: filtered(ours, number),
        "pyarrow's filter, rows as images come": lambda number: filtered(plain, number),
    }


def check(ways: dict[str, Query], number: int) -> None:
    """Fail if two ways name different images or values."""
    found = {name: way(number).filter(["id", "activation"]) for name, way in ways.items()}
    for name, table in found.items():
        harness.agree(f"query, {name}", found["ours"], table)


def main() -> None:
    given = harness.arguments(__doc__)
    images = FULL if given.full else IMAGES
    drawn = np.random.default_rng(1).integers(0, MAPS[LAYER][0], DRAWN).tolist()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        streamed(images, folder)
        as_they_come(images, folder / "plain.parquet")
        sizes = {path.name: path.stat().st_size / 1e6 for path in sorted(folder.glob("*.parquet"))}
        print(f"{images:,} images: " + ", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items()))
        ways = queries(folder)
        check(ways, drawn[0])
        rounds: dict[str, harness.Way] = {
            name: lambda way=way: float(len([way(number) for number in drawn])) for name, way in ways.items()
        }
        harness.compare("query, strongest nine of a map", "maps", rounds, rounds=3)

        def every() -> float:
            return len(pd.read_parquet(folder / "strongest.parquet")) / NINE

        harness.compare("query, strongest nine of all maps", "maps", {"ours": every}, rounds=10)


if __name__ == "__main__":
    main()
