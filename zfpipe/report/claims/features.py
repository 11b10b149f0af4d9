"""Section 4: what the strongest images of a map have in common, and when maps settle (Figs. 2 and 4)."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap, resampled
from zfpipe.report.claims.given import Given, available
from zfpipe.report.claims.verdicts import Measure, Unmeasurable
from zfpipe.report.numbers.measured import present

LOWEST = 2
"""Fig. 2 shows the strongest images of layers 2 and above."""


def read() -> pd.DataFrame:
    """A row for each map of every layer."""
    return pd.read_csv(present(paths.FEATURES / "maps.csv", "features"))


def groups(values: pd.DataFrame) -> list[tuple[int, Float[np.ndarray, "map"]]]:
    """A column `value` by layer, lowest first, without what is missing; layers that lack it are left out."""
    kept = values.dropna(subset=["value"])
    return [(int(str(layer)), rows["value"].to_numpy(np.float64)) for layer, rows in kept.groupby("layer")]


def in_each_layer(values: pd.DataFrame) -> list[Measure]:
    """The mean over the maps of every layer that Fig. 2 of the paper shows."""
    found = [
        Measure(*bootstrap(maps), f"{len(maps)} maps of layer {layer}", f"layer {layer}")
        for layer, maps in groups(values)
        if layer >= LOWEST
    ]
    if not found:
        raise Unmeasurable("no map above layer 1 fires on two images")
    return found


def grouping(_given: Given) -> list[Measure]:
    """How much more alike a map's strongest projections are than those of two maps."""
    maps = read()
    return in_each_layer(maps.assign(value=maps["projections"] - maps["others"]))


def variety(_given: Given) -> list[Measure]:
    """How much more alike a map's strongest projections are than the patches behind them."""
    maps = read()
    return in_each_layer(maps.assign(value=maps["gap"]))


def specificity(_given: Given) -> list[Measure]:
    """By how much the share of the most frequent class grows from layer to layer: the slope of the layers' means."""
    maps = read()
    found = groups(maps.assign(value=maps["purity"]))
    if len(found) < 2:
        raise Unmeasurable("maps of two layers or more must fire")
    layers = np.array([layer for layer, _ in found], np.float64)
    values = [maps for _, maps in found]
    count = sum(len(maps) for maps in values)
    return [Measure(*resampled(lambda *maps: slope(layers, maps), *values), f"{count} maps of {len(layers)} layers")]


def slope(layers: Float[np.ndarray, "layer"], values: tuple[Float[np.ndarray, "_"], ...]) -> float:
    """Of the straight line through the layers' means, each of which counts the same."""
    means = np.array([one.mean() for one in values])
    apart = layers - layers.mean()
    return float(apart @ means / (apart @ apart))


def convergence(_given: Given) -> list[Measure]:
    """How many epochs later the maps of the highest layer settle than those of the lowest; dead ones never do."""
    settled = pd.read_csv(present(available(paths.EVOLUTION) / "settled.csv", "evolution"))
    found = groups(settled.assign(value=settled["epoch"]))
    if len(found) < 2:
        raise Unmeasurable("maps of two layers or more must fire")
    (first, low), *_, (last, high) = found
    words = f"{len(high)} maps of layer {last} and {len(low)} of layer {first}"
    return [Measure(*resampled(lambda one, other: one.mean() - other.mean(), high, low), words)]
