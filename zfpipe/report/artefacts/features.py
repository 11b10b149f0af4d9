"""The features in numbers: what section 4 says of Figs. 2 and 4 in words, layer by layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap, resampled
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above, ours
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.tables import UNAVAILABLE

ARTEFACT = Artefact(
    name="Section 4",
    section="4",
    title="The features in numbers",
    caption="What the paper says of Figures 2 and 4 in words, as means over a layer's maps; in brackets 95 % "
    "bootstrap intervals over the maps. Alike: the mean correlation, pixel by pixel, of two of a map's strongest "
    "projections (1: the same, 0: unrelated), and of the image patches behind them; then of the projections of two "
    "different maps of the layer. Same class: the share of the most frequent class among a map's strongest images. "
    "Settled: the median epoch, as in Figure 4, over all maps; those that do not before the end, and dead ones, count "
    "as later than any. The first four are of the maps drawn in Figure 2, without those that never fire.",
    paper="The projections of a map group tightly while their patches vary more; higher layers are more specific to a "
    "class; low layers converge within a few epochs, high layers after many.",
    folder=paths.FEATURES,
    made_by=("features", "projections", "activations", "evolution"),
    printed="The paper says this in words, without numbers.",
    parameters=("runs.zfnet", "projections", "evolution", "deconvnet", "crops.size"),
    results={"layers.csv": "this table", "maps.csv": "map by map"},
    place="features",
)
METHODS = """
- Alike: the correlation of two windows over the pixels, all three colours, that lie inside both images; the mean over
  all pairs of a map's strongest projections, over the same pairs of patches, and over all pairs with the next drawn
  map's. Same class: the share of the most frequent class among a map's strongest images. Only images on which the map
  fires count.
- Their intervals: 95 %, percentile bootstrap over a layer's maps, 2,000 resamples. The epoch at which maps settle is a
  median; a map that does not before the last snapshot, or is dead, counts as later than any.
"""
COLUMNS = {
    "projections": "Projections alike",
    "patches": "Patches alike",
    "gap": "Difference",
    "others": "Projections of two maps alike",
    "purity": "Same class",
    "settled": "Settled at epoch",
}
"""The measures of layers.csv."""


def details(data: Data) -> Details:
    """Return the table: a row for each layer."""
    layers = sorted(data["layers.csv"]["layer"].unique().tolist())
    rows = [(f"Layer {layer}", *(cell(data, layer, name) for name in COLUMNS)) for layer in layers]
    return Details("Layer by layer", ("", *COLUMNS.values()), rows, open=True)


def cell(data: Data, layer: int, name: str) -> str:
    """Return a mean or median with its interval as people read it."""
    found = measured(data, layer, name)
    if not found.n:
        return UNAVAILABLE
    if name != "settled":
        return found.text(2)
    between = any(end is not None and end % 1 == 0.5 for end in (found.value, found.low, found.high))
    return found.text(1 if between else 0)


def measured(data: Data, layer: int, name: str) -> Measure:
    """Return a number of layers.csv. A median epoch that is missing there is later than any: infinite."""
    [row] = data["layers.csv"].query("layer == @layer and measure == @name").to_dict("records")
    missing = np.inf if name == "settled" else np.nan
    value, low, high = (missing if np.isnan(row[end]) else row[end] for end in ("value", "low", "high"))
    return Measure(value, low, high, row["maps"], "maps", f"layer {layer}")


def grouping(data: Data, _: Given) -> list[Measure]:
    """Measure how much more alike a map's strongest projections are than those of two maps."""
    return in_each_layer(data, "projections - others")


def variety(data: Data, _: Given) -> list[Measure]:
    """Measure how much more alike a map's strongest projections are than the patches behind them."""
    return in_each_layer(data, "gap")


def specificity(data: Data, _: Given) -> list[Measure]:
    """Measure by how much the share of the most frequent class grows a layer: the slope of the layers' means."""
    found = by_layer(data, "purity")
    if len(found) < 2:
        raise Unmeasurable("maps of two layers or more must fire")
    layers, values = np.array(list(found), np.float64), list(found.values())
    ends = resampled(lambda *drawn: slope(layers, drawn), *values)
    return [Measure(*ends, sum(len(one) for one in values), f"maps of {len(layers)} layers")]


def by_layer(data: Data, measure: str) -> dict[int, Float[np.ndarray, "map"]]:
    """Return a measure, or a difference of two, of each layer's maps, lowest layer first, where they have it."""
    maps = ours(data, "maps.csv")
    kept = maps.eval(measure).dropna()
    return {int(str(layer)): rows.to_numpy(np.float64) for layer, rows in kept.groupby(maps["layer"])}


def in_each_layer(data: Data, measure: str) -> list[Measure]:
    """Return the mean over the maps of every layer that Fig. 2 of the paper shows; one map has no interval."""
    found = [
        Measure(*bootstrap(one), len(one), f"maps of layer {layer}", f"layer {layer}")
        if len(one) > 1
        else Measure(float(one[0]), n=1, over=f"map of layer {layer}", part=f"layer {layer}")
        for layer, one in by_layer(data, measure).items()
        if layer > 1  # of layer 1 Fig. 2 shows no strongest images
    ]
    if not found:
        raise Unmeasurable("no map above layer 1 fires on two images")
    return found


def slope(layers: Float[np.ndarray, "layer"], values: Sequence[Float[np.ndarray, "_"]]) -> float:
    """Return the slope of the straight line through the layers' means, each of which counts the same."""
    means = np.array([one.mean() for one in values])
    apart = layers - layers.mean()
    return float(apart @ means / (apart @ apart))


CLAIMS = (
    Claim("grouping", "The nine strongest projections of a map group tightly.",
          "mean correlation of a map's strongest projections with one another, minus with those of another map; in "
          "each layer from 2", "", above(), grouping, "?"),
    Claim("variety", "The image patches behind them vary more.",
          "mean correlation of a map's strongest projections minus that of their patches; in each layer from 2", "",
          above(), variety, "?"),
    Claim("specificity", "Features are more specific to a class the higher the layer.",
          "share of the most frequent class among a map's strongest images: slope over the layers", "a layer", above(),
          specificity, "?"),
)  # fmt: skip
