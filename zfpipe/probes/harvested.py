"""What `harvest` keeps, read back a piece at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float, Int64
from threadpoolctl import threadpool_limits

from zfpipe import store

SHARED = 4000
"""From so many images on threads help; with fewer they cost more than they bring."""


def labels(path: Path) -> tuple[Int64[np.ndarray, "image"], Int64[np.ndarray, "image"]]:
    """Ids and labels of the images, in the order of the rows."""
    table = pq.read_table(store.opened(path), columns=["id", "label"])
    return table["id"].to_numpy(), table["label"].to_numpy()


def layers(path: Path) -> list[int]:
    """The layers in the file."""
    return sorted({int(name[5:].split("_")[0]) for name in pq.read_schema(path).names if name.startswith("layer")})


def pieces(path: Path, layer: int) -> Iterator[Float[np.ndarray, "image feature"]]:
    """A layer's features of all images, a piece at a time."""
    for name in pq.read_schema(path).names:
        if name.startswith(f"layer{layer}_"):
            column = pq.read_table(path, columns=[name])[name].combine_chunks()
            yield column.flatten().to_numpy().reshape(len(column), -1)


def gram(path: Path, layer: int) -> Float[np.ndarray, "image image"]:
    """The inner products of all pairs of images in a layer: all that a linear classifier has to know."""
    total: np.ndarray | None = None
    for piece in pieces(path, layer):
        with threads(len(piece)):
            products = piece.astype(np.float64) @ piece.astype(np.float64).T
        total = products if total is None else total + products
    assert total is not None
    return total


def threads(images: int) -> threadpool_limits:
    """How many threads products of so many images get, in a `with`: one, or all.

    With one the last bits do not depend on the number of cores. With all, they may.
    """
    return threadpool_limits(1 if images < SHARED else None)
