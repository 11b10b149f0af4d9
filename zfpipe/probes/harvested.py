"""What `harvest` keeps, read back a piece at a time."""

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
"""From so many images on threads help; with fewer they cost more than they bring."""


def labels(path: Path) -> tuple[Int64[np.ndarray, "image"], Int64[np.ndarray, "image"]]:
    """Ids and labels of the images, in the order of the rows."""
    table = pq.read_table(store.opened(path), columns=["id", "label"])
    return table["id"].to_numpy(), table["label"].to_numpy()


def layers(path: Path) -> list[int]:
    """The layers in the file."""
    return sorted({int(name[5:].split("_")[0]) for name in pq.read_schema(path).names if name.startswith("layer")})


def pieces(path: Path, layer: int) -> Iterator[Shaped[np.ndarray, "image feature"]]:
    """A layer's features of all images, a piece at a time, as they are kept."""
    for name in pq.read_schema(path).names:
        if name.startswith(f"layer{layer}_"):
            column = pq.read_table(path, columns=[name])[name].combine_chunks()
            yield column.flatten().to_numpy().reshape(len(column), -1)


def gram(path: Path, layer: int) -> Float[np.ndarray, "image image"]:
    """The inner products of all pairs of images in a layer: all that a linear classifier has to know.

    In double precision; on the GPU where ZFPIPE_DEVICE asks for one.
    """
    total: Any = None
    for piece in pieces(path, layer):
        wide = doubled(piece)
        with threads(len(piece)):
            products = wide @ wide.T  # of one array, so that numpy makes half of them and copies these
        if total is None:
            total = products
        else:
            total += products
    assert total is not None
    return total if isinstance(total, np.ndarray) else total.cpu().numpy()


def doubled(piece: Shaped[np.ndarray, "image feature"]) -> Any:
    """The features in double precision, where inner products are made."""
    kind, number = asked()
    if kind == "cpu":
        return piece.astype(np.float64)
    import torch  # takes a second

    return torch.from_numpy(piece).to(kind if number is None else f"{kind}:{number}").double()


def threads(images: int) -> threadpool_limits:
    """How many threads products of so many images get, in a `with`: one, or all.

    With one the last bits do not depend on the number of cores. With all, they may.
    """
    return threadpool_limits(1 if images < SHARED else None)
