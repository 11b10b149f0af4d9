"""Measure section 4's statements on features as numbers with intervals: how alike the nine strongest projections of
a map are, how often their images show the same class, and when a map settles in training."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from zfpipe import store
from zfpipe.probes.intervals import bootstrap

Drawn = tuple[pd.DataFrame, Mapping[int, tuple[np.ndarray, np.ndarray]]]
"""A row for each drawn map and rank, and projections and patches by layer."""
FINE = 2.0
"""Standard deviation in pixels of the Gaussian blur that is subtracted from a tile to leave fine structure."""
MEASURES = {
    "projections": "mean correlation of a map's strongest projections with one another",
    "patches": "the same of the image patches behind them",
    "gap": "the first minus the second, map by map",
    "fine": "the same difference of structure finer than two pixels",
    "others": "mean correlation of a map's strongest projections with those of another map",
    "purity": "share of the most frequent class among a map's strongest images",
    "finds_part": "1 where the map finds a part (names/maps.csv), otherwise 0",
    "finds_class": "the same of the objects of a class",
    "finds_eye": "the same of eyes alone",
    "settled": "epoch of the snapshot from which a map is settled (evolution/settled.csv)",
}


def drawn(folder: Path) -> Drawn:
    """Read the table of the drawn maps and their tiles from a folder of projections."""
    rows = store.load(folder / "projections.parquet")
    tiles = {
        layer: tuple(store.load(folder / f"layer{layer}{kind}.npy") for kind in ("", "_patches"))
        for layer in rows["layer"].unique().tolist()
    }
    return rows, tiles


def run(
    rows: pd.DataFrame,
    tiles: Mapping[int, tuple[np.ndarray, np.ndarray]],
    strongest: pd.DataFrame,
    settled: pd.DataFrame | None,
    named: pd.DataFrame | None,
    crop: int,
) -> dict[str, pd.DataFrame]:
    """Return the measures of every map and their means over each layer, by file name.

    `tiles` holds projections and patches by layer. `settled` is the table of `evolution.settled`, `named` the table of
    `names.run`; each is None if it could not be made.
    """
    with threadpool_limits(1):  # with one thread, the products' last bits do not depend on the number of cores
        alike = [
            alikeness(part.sort_values(["map", "rank"]), *tiles[int(layer)], crop).assign(layer=layer)  # pyright: ignore
            for layer, part in rows.groupby("layer")
        ]
    maps = strongest.drop_duplicates(["layer", "map"]).filter(["layer", "map"])
    tables = [purity(strongest), pd.concat(alike)]
    if settled is not None:
        tables.append(settled.rename(columns={"epoch": "settled"}).drop(columns="dead"))
    if named is not None:
        tables.append(finds(named))
    for table in tables:
        maps = maps.merge(table, on=["layer", "map"], how="left")
    maps = maps.filter(["layer", "map", *MEASURES])
    return {"maps.csv": maps, "layers.csv": summary(maps)}


def alikeness(
    rows: pd.DataFrame,
    projections: Float[np.ndarray, "map rank y x 3"],
    patches: Shaped[np.ndarray, "map rank y x 3"],
    crop: int,
) -> pd.DataFrame:
    """Return `projections`, `patches`, `gap`, `fine`, `others` of a layer's maps that fire on two images or more.

    `rows` are the layer's rows of projections.parquet, in the order of the arrays. Only images on which the map fires
    count. Two windows are compared where both lie inside their images. `others` compares a map with the next map.
    """
    shape = projections.shape[:2]
    fires = rows["activation"].to_numpy().reshape(shape) > 0
    kept = np.flatnonzero(fires.sum(1) > 1)
    inside = visible(rows, crop).reshape(*shape, *projections.shape[2:4])
    groups = [(projections[one][fires[one]], inside[one][fires[one]]) for one in kept]
    found = []
    for position, one in enumerate(kept):
        tiles, masks = groups[position]
        others = groups[(position + 1) % len(groups)]
        alike = mean_correlation(tiles, masks)
        pictures = patches[one][fires[one]]
        seen = mean_correlation(pictures, masks)
        finer, seen_finer = (mean_correlation(fine(group, masks), masks) for group in (tiles, pictures))
        found.append(
            {
                "map": int(rows["map"].to_numpy().reshape(shape)[one, 0]),
                "projections": alike,
                "patches": seen,
                "gap": alike - seen,
                "fine": finer - seen_finer,
                "others": mean_correlation(tiles, masks, others) if len(groups) > 1 else np.nan,
            }
        )
    return pd.DataFrame(found, columns=["map", "projections", "patches", "gap", "fine", "others"])


def fine(
    tiles: Shaped[np.ndarray, "tile y x 3"], masks: Bool[np.ndarray, "tile y x"]
) -> Float[np.ndarray, "tile y x 3"]:
    """Return tiles minus their own blur over the pixels inside the image: structure finer than `FINE` pixels."""
    seen = masks[..., None].astype(np.float64)
    values, spread = tiles * seen, (0, FINE, FINE, 0)
    weights = np.where(seen, gaussian_filter(seen, spread, mode="constant"), 1)
    found = seen * (values - gaussian_filter(values, spread, mode="constant") / weights)
    rounding = 1e-9 * np.abs(values).max(axis=(1, 2, 3), keepdims=True)
    return np.where(np.abs(found) > rounding, found, 0)  # rounding errors of a flat tile are no structure


def visible(rows: pd.DataFrame, crop: int) -> Bool[np.ndarray, "unit y x"]:
    """Return the mask of the pixels of each unit's window that lie inside the image."""
    sides = []
    for axis in ("y", "x"):
        first, last = (rows[f"{axis}{end}"].to_numpy()[:, None] for end in (0, 1))
        places = first + np.arange((last - first).max())
        sides.append((places >= 0) & (places < crop))
    return sides[0][:, :, None] & sides[1][:, None, :]


def mean_correlation(
    tiles: Shaped[np.ndarray, "tile y x 3"],
    masks: Bool[np.ndarray, "tile y x"],
    others: tuple[Shaped[np.ndarray, "other y x 3"], Bool[np.ndarray, "other y x"]] | None = None,
) -> float:
    """Return the mean correlation of all pairs of tiles, or of all tiles with all `others`; flat pairs count as 0."""
    left, seen = flat(tiles, masks)
    right, also_seen = (left, seen) if others is None else flat(*others)
    # Each sum in a correlation runs over the pixels that both tiles have; all pairs' sums are one matrix product
    count = np.maximum(seen @ also_seen.T, 1)
    first, second = left @ also_seen.T / count, seen @ right.T / count
    together = left @ right.T / count - first * second
    spread = (left**2 @ also_seen.T / count - first**2) * (seen @ (right**2).T / count - second**2)
    matrix = np.divide(together, np.sqrt(np.maximum(spread, 0)), out=np.zeros_like(together), where=spread > 1e-12)
    return float(matrix.mean() if others is not None else matrix[np.triu_indices(len(matrix), 1)].mean())


def flat(
    tiles: Shaped[np.ndarray, "tile y x 3"], masks: Bool[np.ndarray, "tile y x"]
) -> tuple[Float[np.ndarray, "tile value"], Float[np.ndarray, "tile value"]]:
    """Return tiles as rows, scaled to largest absolute value 1 and zero where masked, and the mask of valid values."""
    seen = np.repeat(masks.reshape(len(tiles), -1), 3, axis=1).astype(np.float64)
    values = tiles.reshape(len(tiles), -1) * seen
    return values / np.maximum(np.abs(values).max(1, keepdims=True), np.finfo(np.float64).tiny), seen


def purity(strongest: pd.DataFrame) -> pd.DataFrame:
    """Return the share of the most frequent class among each map's strongest images, without dead maps."""
    firing = strongest[strongest["activation"] > 0]
    counts = pd.DataFrame(firing.groupby(["layer", "map", "label"], as_index=False).agg(purity=("id", "size")))
    counts["purity"] /= counts.groupby(["layer", "map"])["purity"].transform("sum")
    first = counts.sort_values("purity", ascending=False).drop_duplicates(["layer", "map"])
    return first.filter(["layer", "map", "purity"]).sort_values(["layer", "map"], ignore_index=True)


def finds(named: pd.DataFrame) -> pd.DataFrame:
    """Return `finds_part`, `finds_class` and `finds_eye` of each map."""
    which = {"part": named["kind"] == "part", "class": named["kind"] == "class", "eye": named["concept"] == "eye"}
    found = {f"finds_{name}": (named["found"] & one).astype(float) for name, one in which.items()}
    return named.filter(["layer", "map"]).assign(**found)


def summary(maps: pd.DataFrame) -> pd.DataFrame:
    """Return each measure's mean over a layer's maps with its 95 % bootstrap interval; for `settled`, the median.

    Maps are resampled with replacement. A map without an epoch counts as infinitely late, and an infinite median is
    written as missing. A measure that is not in `maps` counts 0 maps.
    """
    found = []
    for layer, rows in maps.groupby("layer"):
        for measure in MEASURES:
            if measure not in rows:
                found.append({"layer": layer, "measure": measure, "maps": 0})
                continue
            values = rows[measure].to_numpy(np.float64)
            values = values if measure == "settled" else values[~np.isnan(values)]
            entry = {"layer": layer, "measure": measure, "maps": len(values)}
            if len(values) and not np.isnan(values).all():
                middle = np.median if measure == "settled" else np.mean
                value, low, high = bootstrap(np.where(np.isnan(values), np.inf, values), middle)
                entry |= {"value": value, "low": low, "high": high}
            found.append(entry)
    table = pd.DataFrame(found, columns=["layer", "measure", "value", "low", "high", "maps"])
    return table.replace(np.inf, np.nan)
