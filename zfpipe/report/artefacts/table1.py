"""Table 1: whether hiding the same part of different faces changes their features alike."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap_pairs
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import Claim, Given, Premise, Unmeasurable, above, ours
from zfpipe.report.engine.measure import Measure, percent
from zfpipe.report.engine.tables import Filled, Line, Row, Runs, Table

ARTEFACT = Artefact(
    name="Table 1",
    section="4.3",
    title="Correspondence of object parts",
    caption="How alike the features of different faces change when the same part is hidden: the distance between the "
    "signs of the changes, over all pairs of faces.",
    paper="In layer 5 eyes and nose change the features more consistently than random places do; in layer 7, which "
    "tells breeds apart, the scores are closer.",
    folder=paths.CORRESPONDENCE,
    made_by=("table@1", "correspondence", "train@zfnet"),
    parameters=("runs.zfnet", "correspondence", "crops.size"),
    results={
        "consistency.csv": "all numbers",
        "pairs.parquet": "every two faces",
        "untrained.parquet": "the same of the network with random weights",
    },
)
ROWS = (
    Row("Right Eye", ((0.067, 0.007), (0.069, 0.015))),
    Row("Left Eye", ((0.069, 0.007), (0.068, 0.013))),
    Row("Nose", ((0.079, 0.017), (0.069, 0.011))),
    Row("Random", ((0.107, 0.017), (0.073, 0.014))),
)
TABLE = Table("Δ, lower is more consistent", 3, ("Layer 5", "Layer 7"), ROWS)
METHODS = """
- One size of square for a face: the longest side of its parts' boxes, of grey {{ p("correspondence.grey") }}.
  {{ p("correspondence.random") }} random squares for each face, centred on the object (where it is not known, anywhere)
  where no part's square lies, compared one by one and averaged.
- Features are the outputs of layers 5 and 7. The sign of no change is 0, a third value; so is that of a change below
  1e-5 of the layer's largest feature, which is rounding. Deviations are over pairs of faces, each pair once. Since a
  mask that changes few features makes all of them agree at 0, the distance among features that change in both images
  stands beside, over the masks and pairs that have such features.
- The null is the same network with random weights, under the same masks: eyes and noses stand alike in any two faces,
  random squares do not, so even its features change more alike there. A claim is judged by the difference between
  random squares and a part in the trained network minus the same in the untrained one, for both distances; faces are
  drawn again, and a pair of faces without a feature that changes in both does not count.
"""
PARTS = ("Right Eye", "Left Eye", "Nose")
SOURCES = {"ours": ("few", ""), "all": ("all", ""), "changed": ("all", "changed_")}
"""Each of our columns: a few faces or all faces, and the distance of all features or of features that change."""
DISTANCES = {"distance": "all features", "changed_distance": "changed in both"}
"""The distances of pairs.parquet by which the claims are judged."""


def table(data: Data, runs: Runs) -> Filled:
    """Return the paper's rows with ours; all of ours are `not available` if there is no data."""
    if not data:
        return Filled(TABLE, [Line(row) for row in TABLE.rows], [], list(SOURCES))
    rows = data["consistency.csv"].sort_values("layer")

    def measures(name: str, faces: str, kind: str) -> list[Measure]:
        part = rows[(rows["part"] == name.lower()) & (rows["set"] == faces)].to_dict("records")
        return [
            Measure(one[f"{kind}mean"], n=one[f"{kind}pairs"], over="pairs", deviation=one[f"{kind}deviation"])
            for one in part
        ]

    lines = [
        Line(row, ours={part: measures(row.name, *source) for part, source in SOURCES.items()}) for row in TABLE.rows
    ]
    few, many = (rows[rows["set"] == faces] for faces in ("few", "all"))
    layers, images, pairs = rows["layer"].unique(), few["images"].iloc[0], few["pairs"].iloc[0]
    notes = [
        "Normalised Hamming distance between the signs of the features' change in two images, mean ± standard "
        "deviation over pairs; the sign of no change is 0, a value of its own. Lower: hiding the part changes the "
        f"features more alike. Ours: layers {' and '.join(map(str, layers))}.",
        f"Published: five dogs. Ours: {images:,} faces, {pairs:,} pairs. All: every validation image of "
        f"a face that looks at us, {many['images'].iloc[0]:,} of them.",
        "Changed: all faces, of the features alone that change in both images (not in the paper). A mask that changes "
        "fewer features leaves more at 0 in both, which alone lowers the distance; here "
        f"{percent(many['changed'].min())} to {percent(many['changed'].max())} change.",
    ]
    return Filled(TABLE, lines, notes, list(SOURCES))


def gap(pairs: pd.DataFrame, part: str, layer: int, distance: str) -> Float[np.ndarray, "face face"]:
    """Return for every two faces the distance with random places hidden minus the distance with a part hidden.

    The difference is NaN if one of the two distances is missing.
    """
    faces = 1 + max(pairs["other"].tolist())
    gaps = np.zeros((faces, faces))
    for name, sign in (("random", 1), (part.lower(), -1)):
        chosen = pairs[(pairs["part"] == name) & (pairs["layer"] == layer)]
        gaps[chosen["one"], chosen["other"]] += sign * chosen[distance]
    return gaps + gaps.T


def learned(data: Data, part: str, layer: int, distance: str) -> Float[np.ndarray, "face face"]:
    """Return the gap in the trained network minus the gap in the untrained network."""
    trained, untrained = (
        gap(ours(data, name), part, layer, distance) for name in ("pairs.parquet", "untrained.parquet")
    )
    return trained - untrained


def judged(gaps: Float[np.ndarray, "face face"], part: str) -> Measure:
    """Return the mean over all pairs of faces with its interval."""
    if np.isnan(gaps[~np.eye(len(gaps), dtype=bool)]).all():
        raise Unmeasurable("no two faces have a feature that changes in both")
    return Measure(*bootstrap_pairs(gaps), len(gaps), "faces", part)


def more_alike(data: Data, _given: Given) -> list[Measure]:
    """Return each part's gap in the last convolution layer, trained minus untrained, by both distances."""
    layer = min(ours(data, "pairs.parquet")["layer"])
    return [
        judged(learned(data, part, layer, distance), f"{part.lower()}, {words}")
        for part in PARTS
        for distance, words in DISTANCES.items()
    ]


def less_above(data: Data, _given: Given) -> list[Measure]:
    """Return the parts' mean gap in the last convolution layer minus their mean gap in the highest hidden layer."""
    layers = ours(data, "pairs.parquet")["layer"]
    low, high = min(layers), max(layers)
    if low == high:
        raise Unmeasurable("the network has no hidden fully connected layer")
    found = []
    for distance, words in DISTANCES.items():
        fallen = [learned(data, part, low, distance) - learned(data, part, high, distance) for part in PARTS]
        found.append(judged(np.mean(fallen, axis=0), words))
    return found


NULL = "the same network before training, on the same faces under the same masks"
CLAIMS = (
    Claim("correspondence",
          "Hiding eyes or nose changes layer 5 more alike from face to face than hiding random places.",
          "Hamming distance between the signs of two faces' changes: random places minus the part, trained network "
          "minus untrained; for each part, of all features and of those that change in both faces", "", above(),
          more_alike, NULL),
    Claim("correspondence-above", "In layer 7 that difference is smaller.",
          "the same difference, mean over the parts: layer 5 minus layer 7; of all features and of those that change "
          "in both faces", "", above(), less_above, NULL,
          premises=[Premise("hiding eyes or nose does not clearly change layer 5 more alike", more_alike)]),
)  # fmt: skip
