"""Table 1: whether hiding the same part of different faces changes their features alike."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap_pairs
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above, ours
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
    results={"consistency.csv": "all numbers"},
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
"""
PARTS = ("Right Eye", "Left Eye", "Nose")
SOURCES = {"ours": ("few", ""), "all": ("all", ""), "changed": ("all", "changed_")}
"""What a column of ours is: of a few faces or all, and the distance of all features or of those that change."""


def table(data: Data, runs: Runs) -> Filled:
    """Return the paper's rows with ours; `not available` in the whole of ours where there is no data."""
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


def gap(pairs: pd.DataFrame, part: str, layer: int) -> Float[np.ndarray, "face face"]:
    """Return how much further apart every two faces are when random places are hidden than when a part is."""
    faces = 1 + max(pairs["other"].tolist())
    gaps = np.zeros((faces, faces))
    for name, sign in (("random", 1), (part.lower(), -1)):
        chosen = pairs[(pairs["part"] == name) & (pairs["layer"] == layer)]
        gaps[chosen["one"], chosen["other"]] += sign * chosen["distance"]
    return gaps + gaps.T


def printed(part: str, column: str) -> float:
    """Return the same difference of the printed numbers."""
    return TABLE.printed("Random", column) - TABLE.printed(part, column)


def more_alike(data: Data, _given: Given) -> list[Measure]:
    """Return the gap of each part in the last convolution layer."""
    pairs = ours(data, "pairs.parquet")
    gaps = {part: gap(pairs, part, min(pairs["layer"])) for part in PARTS}
    return [
        Measure(*bootstrap_pairs(one), len(one), "faces", part.lower(), printed(part, "Layer 5"))
        for part, one in gaps.items()
    ]


def less_above(data: Data, _given: Given) -> list[Measure]:
    """Return the mean gap of the parts in the last convolution layer minus that in the highest hidden one."""
    pairs = ours(data, "pairs.parquet")
    low, high = min(pairs["layer"]), max(pairs["layer"])
    if low == high:
        raise Unmeasurable("the network has no hidden fully connected layer")
    fallen = np.mean([gap(pairs, part, low) - gap(pairs, part, high) for part in PARTS], axis=0)
    published = float(np.mean([printed(part, "Layer 5") - printed(part, "Layer 7") for part in PARTS]))
    return [Measure(*bootstrap_pairs(fallen), len(fallen), "faces", published=published)]


CLAIMS = (
    Claim("correspondence",
          "Hiding eyes or nose changes layer 5 more alike from face to face than hiding random places.",
          "Hamming distance between the signs of two faces' changes: random places minus the part; for each part", "",
          above(), more_alike, "?"),
    Claim("correspondence-above", "In layer 7 that difference is smaller.",
          "the same difference, mean over the parts: layer 5 minus layer 7", "", above(), less_above, "?"),
)  # fmt: skip
