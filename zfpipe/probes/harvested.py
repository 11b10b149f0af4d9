"""Read the features that `harvest` wrote, a piece at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float, Int64, Shaped
from threadpoolctl import threadpool_limits

from zfpipe import store
from zfpipe.device import asked

SHARED = 4000
"""Number of images from which several threads are faster than one."""


def labels(path: Path) -> tuple[Int64[np.ndarray, "image"], Int64[np.ndarray, "image"]]:
    """Return ids and labels of the images, in the order of the rows."""
    table = pq.read_table(store.opened(path), columns=["id", "label"])
    return table["id"].to_numpy(), table["label"].to_numpy()


def layers(path: Path) -> list[int]:
    """Return the numbers of the layers in the file."""
    return sorted({int(name[5:].split("_")[0]) for name in pq.read_schema(path).names if name.startswith("layer")})


def pieces(path: Path, layer: int) -> Iterator[Shaped[np.ndarray, "image feature"]]:
    """Yield a layer's features of all images, a piece at a time, in the file's data type."""
    for name in pq.read_schema(path).names:
        if name.startswith(f"layer{layer}_"):
            column = pq.read_table(path, columns=[name])[name].combine_chunks()
            yield column.flatten().to_numpy().reshape(len(column), -1)


def gram(path: Path, layer: int) -> Float[np.ndarray, "image image"]:
    """Return the inner products of all pairs of images in a layer, which is all that a linear classifier needs.

    The products are in double precision, and computed on the GPU if ZFPIPE_DEVICE asks for it.
    """
    total: Any = None
    for piece in pieces(path, layer):
        wide = doubled(piece)
        with threads(len(piece)):
            products = wide @ wide.T  # both factors are one array, so that numpy computes half of the products
        if total is None:
            total = products
        else:
            total += products
    assert total is not None
    return total if isinstance(total, np.ndarray) else total.cpu().numpy()


def doubled(piece: Shaped[np.ndarray, "image feature"]) -> Any:
    """Return the features in double precision, on the device that computes the products."""
    kind, number = asked()
    if kind == "cpu":
        return piece.astype(np.float64)
    import torch  # imported here, since the import takes a second

    return torch.from_numpy(piece).to(kind if number is None else f"{kind}:{number}").double()


def threads(images: int) -> threadpool_limits:
    """Return a context that gives products of `images` images one thread, or all threads.

    With one thread the last bits do not depend on the number of cores. With all threads they may.
    """
    return threadpool_limits(1 if images < SHARED else None)
