"""The features in numbers: section 4's statements about Figs. 2 and 4, measured in each layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import resampled
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
    "projections (1: the same, 0: unrelated), of the image patches behind them, and the difference; this again of "
    "structure finer than two pixels; then of the projections of two different maps of the layer. Same class: the "
    "share of the most frequent class among a map's strongest images. Find: the share of maps whose top activations "
    "overlap a part, the objects of a class, or eyes (network dissection). Settled: the median epoch, as in Figure 4, "
    "over all maps; those that do not before the end, and dead ones, count as later than any. The first five are of "
    "the maps drawn in Figure 2, without those that never fire. The claims are judged by how far the numbers lie above "
    "those of the same network with random weights (untrained.csv).",
    paper="The projections of a map group tightly while their patches vary more; higher layers are more specific to a "
    "class; low layers converge within a few epochs, high layers after many.",
    folder=paths.FEATURES,
    made_by=("features", "projections", "activations", "names", "evolution"),
    printed="The paper says this in words, without numbers.",
    parameters=("runs.zfnet", "projections", "names", "evolution", "deconvnet", "crops.size"),
    results={
        "layers.csv": "this table",
        "maps.csv": "map by map",
        "untrained.csv": "the same of the network with random weights",
    },
    place="features",
)
METHODS = """
- Alike: the correlation of two windows over the pixels, all three colours, that lie inside both images; the mean over
  all pairs of a map's strongest projections, over the same pairs of patches, and over all pairs with the next drawn
  map's. Same class: the share of the most frequent class among a map's strongest images. Only images on which the map
  fires count.
- Fine: projections are band-passed, patches carry coarse brightness, so both are compared again without what is
  coarser than two pixels: each minus its own Gaussian blur of a standard deviation of two pixels, over the pixels
  inside the image.
- Find, not in the paper: network dissection (Bau et al. 2017) on {{ p("names.images") }} images at most, drawn from
  seed {{ p("names.seed") }}. A map's top is the share {{ p("names.top") }} of its activations on them, enlarged to
  pixels between the middles of the receptive fields. The map finds the part or class with the largest intersection
  over union of both, over the images with any part, or any object, where that is {{ p("names.least") }} at least, and
  larger than with any of them when places are laid over other images' maps, in each of
  {{ p("names.permutations") }} permutations.
- Their intervals: 95 %, percentile bootstrap over a layer's maps, 2,000 resamples. The epoch at which maps settle is a
  median; a map that does not before the last snapshot, or is dead, counts as later than any.
- The null is the same network with random weights: its own strongest images, its projections, as many maps. What it
  shows comes from the architecture, the images and the search for the strongest. A claim is judged by trained minus
  untrained; the maps of each are drawn again by themselves, as no map of one belongs to a map of the other.
"""
COLUMNS = {
    "projections": "Projections alike",
    "patches": "Patches alike",
    "gap": "Difference",
    "fine": "Difference, fine",
    "others": "Projections of two maps alike",
    "purity": "Same class",
    "finds_part": "Find a part",
    "finds_class": "Find a class",
    "finds_eye": "Find an eye",
    "settled": "Settled at epoch",
}
"""The measures of layers.csv."""


def details(data: Data) -> Details:
    """Return the table: a row for each layer."""
    layers = sorted(data["layers.csv"]["layer"].unique().tolist())
    rows = [(f"Layer {layer}", *(cell(data, layer, name) for name in COLUMNS)) for layer in layers]
    return Details("Layer by layer", ("", *COLUMNS.values()), rows, open=True)


def cell(data: Data, layer: int, name: str) -> str:
    """Return a mean or median with its interval as text."""
    found = measured(data, layer, name)
    if not found.n:
        return UNAVAILABLE
    if name != "settled":
        return found.text(2)
    between = any(end is not None and end % 1 == 0.5 for end in (found.value, found.low, found.high))
    return found.text(1 if between else 0)


def measured(data: Data, layer: int, name: str) -> Measure:
    """Return a number of layers.csv. A missing median epoch means later than all epochs, so it is infinite."""
    [row] = data["layers.csv"].query("layer == @layer and measure == @name").to_dict("records")
    missing = np.inf if name == "settled" else np.nan
    value, low, high = (missing if np.isnan(row[end]) else row[end] for end in ("value", "low", "high"))
    return Measure(value, low, high, row["maps"], "maps", f"layer {layer}")


def grouping(data: Data, _: Given) -> list[Measure]:
    """Measure how much more alike a map's strongest projections are than those of two maps: trained minus untrained."""
    return in_each_layer(data, "projections - others")


def variety(data: Data, _: Given) -> list[Measure]:
    """Measure how much more alike projections are than their patches, in fine structure: trained minus untrained."""
    return in_each_layer(data, "fine")


def specificity(data: Data, _: Given) -> list[Measure]:
    """Measure how much faster the share of the most frequent class grows by layer than in the untrained network."""
    found = by_layer(data, "purity")
    if len(found) < 2:
        raise Unmeasurable("maps of two layers or more must fire")
    layers, (trained, untrained) = np.array(list(found), np.float64), zip(*found.values(), strict=True)
    count = len(layers)
    ends = resampled(lambda *drawn: slope(layers, drawn[:count]) - slope(layers, drawn[count:]), *trained, *untrained)
    return [Measure(*ends, sum(len(one) for one in trained), f"maps of {count} layers")]


def by_layer(data: Data, measure: str) -> dict[int, tuple[Float[np.ndarray, "map"], Float[np.ndarray, "other"]]]:
    """Return a measure (or a difference of two) of each layer's maps in both networks, lowest layer first.

    In each layer come the trained network's maps, then the untrained network's. Maps without the measure are left out.
    """
    tables = [ours(data, name) for name in ("maps.csv", "untrained.csv")]
    trained, untrained = (
        {
            int(str(layer)): rows.to_numpy(np.float64)
            for layer, rows in maps.eval(measure).dropna().groupby(maps["layer"])
        }
        for maps in tables
    )
    if max(trained, default=0) > 1 and (lacking := set(trained) - set(untrained)) and untrained:
        raise Unmeasurable(f"in layer {min(lacking)} no map of the untrained network has what it takes")
    return {layer: (trained[layer], untrained[layer]) for layer in trained if layer in untrained}


def in_each_layer(data: Data, measure: str) -> list[Measure]:
    """Return the mean over the maps of each layer of the paper's Fig. 2, minus the untrained network's mean.

    A layer with one map has no interval.
    """
    found = []
    for layer, groups in by_layer(data, measure).items():
        count, part = min(map(len, groups)), f"layer {layer}"
        if layer > 1 and count > 1:  # Fig. 2 shows no strongest images of layer 1
            ends = resampled(lambda one, other: one.mean() - other.mean(), *groups)
            found.append(Measure(*ends, count, f"maps of {part}", part))
        elif layer > 1:
            found.append(Measure(float(groups[0].mean() - groups[1].mean()), n=1, over=f"map of {part}", part=part))
    if not found:
        raise Unmeasurable("no map above layer 1 fires on two images")
    return found


def slope(layers: Float[np.ndarray, "layer"], values: Sequence[Float[np.ndarray, "_"]]) -> float:
    """Return the slope of the straight line through the layers' means, all with the same weight."""
    means = np.array([one.mean() for one in values])
    apart = layers - layers.mean()
    return float(apart @ means / (apart @ apart))


NULL = "the same network before training, whose strongest images and projections are found alike"
CLAIMS = (
    Claim("grouping", "The nine strongest projections of a map group tightly.",
          "mean correlation of a map's strongest projections with one another, minus with those of another map: "
          "trained network minus untrained; in each layer from 2", "", above(), grouping, NULL),
    Claim("variety", "The image patches behind them vary more.",
          "mean correlation of a map's strongest projections minus that of their patches, both without what is coarser "
          "than two pixels: trained network minus untrained; in each layer from 2", "", above(), variety, NULL),
    Claim("specificity", "Features are more specific to a class the higher the layer.",
          "share of the most frequent class among a map's strongest images: slope over the layers, trained network "
          "minus untrained", "a layer", above(), specificity, NULL),
)  # fmt: skip
