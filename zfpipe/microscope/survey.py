"""Compute over many maps or many images: places of strongest activations, and how features move."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from zfpipe.errors import UserError
from zfpipe.microscope.lens import Lens
from zfpipe.microscope.photo import Preparation
from zfpipe.microscope.shown import Box, Strongest

BATCH = 16


def peaks(maps: Tensor) -> list[tuple[float, int, int]]:
    """Return the largest value of each map `(map, y, x)`, its row and its column."""
    values, places = (part.tolist() for part in maps.flatten(1).max(1))
    width = maps.shape[2]
    return [(value, place // width, place % width) for value, place in zip(values, places, strict=True)]


def support(pixels: np.ndarray) -> Box:
    """Return the box of the nonzero pixels of a projection `(y, x, 3)`, or of the whole projection if all are zero."""
    some = (pixels != 0).any(2)
    if not some.any():
        return 0, 0, pixels.shape[1], pixels.shape[0]
    ys, xs = (np.flatnonzero(some.any(axis)) for axis in (1, 0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def batches(squares: Iterable[np.ndarray]) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield batches of squares, each with the number of its first square."""
    part: list[np.ndarray] = []
    first = 0
    for square in squares:
        part.append(square)
        if len(part) == BATCH:
            yield first, part
            first, part = first + BATCH, []
    if part:
        yield first, part


def strongest(lens: Lens, preparation: Preparation, squares: Iterable[np.ndarray], layer: str, count: int) -> Strongest:
    """Find the images that activate each map of a layer most, with empty boxes. Raises UserError without images."""
    maps, _, width = lens.shape(layer)
    kept: dict[int, np.ndarray] = {}
    top = [np.full((maps, count), fill) for fill in (-np.inf, -1.0, 0.0)]
    for first, part in batches(squares):
        found = lens.maps(preparation.tensor(part), [layer], unlimited=True)[0][layer].flatten(2)
        values, places = (one.T.double().cpu().numpy() for one in found.max(2))
        numbers = np.broadcast_to(np.arange(first, first + len(part), dtype=np.float64), values.shape)
        together = [np.concatenate(pair, 1) for pair in zip(top, (values, numbers, places), strict=True)]
        order = np.argsort(-together[0], 1, kind="stable")[:, :count]
        top = [np.take_along_axis(one, order, 1) for one in together]
        kept |= {first + place: square for place, square in enumerate(part)}
        there = set(top[1].astype(int).ravel().tolist())
        kept = {number: square for number, square in kept.items() if number in there}
    if not kept:
        raise UserError("no images; must be at least one")
    ys, xs = np.divmod(top[2].astype(int), width)
    return Strongest(
        layer, top[0].astype(np.float32), top[1].astype(int), ys, xs, np.zeros((maps, count, 4), int), kept
    )


def distances(
    lens: Lens, preparation: Preparation, squares: Sequence[np.ndarray], layers: Sequence[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return each square's feature distance from the first square, relative, and the probabilities of all squares."""
    features: dict[str, list[Tensor]] = {name: [] for name in layers}
    shares = []
    for _, part in batches(squares):
        maps, scores = lens.maps(preparation.tensor(part), layers)
        shares.append(scores.softmax(1).cpu())
        for name, one in maps.items():
            features[name].append(one.flatten(1).cpu())
    found = {}
    for name, parts in features.items():
        one = torch.cat(parts).double()
        found[name] = ((one[1:] - one[0]).norm(dim=1) / one[0].norm().clamp(min=1e-12)).numpy()
    return found, torch.cat(shares).numpy()
