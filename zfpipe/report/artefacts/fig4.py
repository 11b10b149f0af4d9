"""Fig. 4: evolution of features: each drawn map's strongest activation over training images, after several epochs."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import ImageColor

from zfpipe import paths
from zfpipe.probes.intervals import resampled
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above, ours
from zfpipe.report.engine.measure import Measure, number
from zfpipe.report.engine.networks import learned

ARTEFACT = Artefact(
    name="Figure 4",
    section="4",
    title="How features evolve through training",
    caption="A random subset of every layer's maps, after some epochs of training: each map's strongest activation "
    "over the whole training set at that time, projected to pixels. Contrast as in Figure 2. An orange bar marks where "
    "another image than at the snapshot before excites the map most; hatched tiles are of dead maps. A map counts as "
    "settled from the snapshot on from which its maxima over up to 2,000 training images correlate at least 0.9 with "
    "those of the last snapshot; the last is like itself, so that no map can be seen to settle there.",
    paper="Low layers converge within a few epochs, high layers only after many (40 to 50).",
    folder=paths.EVOLUTION,
    made_by=("figure@4", "evolution", "train@zfnet"),
    printed="Published: epochs 1, 2, 5, 10, 20, 30, 40 and 64 of 70; the paper prints no other numbers.",
    parameters=("runs.zfnet", "evolution", "deconvnet", "training", "figures.percentile"),
    results={
        "evolution.parquet": "every map after every snapshot",
        "settled.csv": "the epoch from which each map is settled",
    },
)
METHODS = """
{% if not value("model.source") %}
- Fig. 4 follows the network of Fig. 3 after epochs {{ p("runs.zfnet.snapshots") }}.
{% endif %}
- Fig. 4 draws {{ p("evolution.maps") }} maps of each layer, at random from seed {{ p("evolution.seed") }}: the
  strongest activation over the whole training set after each snapshot, on centre crops. A map is settled from the
  snapshot on from which its maxima over up to 2,000 training images correlate at least 0.9 with its last ones. The last
  snapshot is like itself by definition and does not count: a map that has not settled at the snapshot before it has no
  epoch. In the quartiles of a layer that map counts as later than any, and so does one that never fires.
"""
BAR, BELOW = 8, 6  # pixels left of a tile, for an orange bar, and below the tile


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw the layers, the higher ones larger: their maps in rows, epochs in columns."""
    drawn = dict(list(data["evolution.parquet"].query("drawn").groupby("layer")))
    lines = [line for line in ([n for n in drawn if n < 4], [n for n in drawn if n >= 4]) if line]
    maps, epochs = (max(rows[kind].nunique() for rows in drawn.values()) for kind in ("map", "epoch"))
    sizes = [min(160, (style.WIDTH // len(line) - 140) // epochs - BAR - tiles.GAP) for line in lines]
    heights = [160 + maps * (size + BELOW + tiles.GAP) for size in sizes]
    figure = style.figure(50 + sum(heights))
    rule = "Columns: epochs of training. Rows: feature maps. Orange bar: another image than before excites it most."
    figure.suptitle(rule, x=0.005, ha="left", fontsize=16)
    bands = figure.subfigures(len(lines), 1, squeeze=False, height_ratios=heights)[:, 0]
    for band, line, size in zip(bands, lines, sizes, strict=True):
        for part, layer in zip(band.subfigures(1, len(line), squeeze=False)[0], line, strict=True):
            projections = data[f"layer{layer}.npy"]
            style.heading(part, f"Layer {layer}", "{2} × {3} pixels each".format(*projections.shape))
            draw_layer(part.subplots(), drawn[layer], projections, size, drawing)
            style.note(part, remark(*settled(data)[layer]))
    return figure


def draw_layer(axes: Axes, rows: pd.DataFrame, projections: np.ndarray, size: int, drawing: style.Drawing) -> None:
    """Draw a layer's projections `(map, epoch, y, x, 3)` as tiles of `size` pixels."""
    maps, epochs = sorted(set(rows["map"])), sorted(set(rows["epoch"]))
    pictures, before = [], rows.sort_values(["map", "epoch"]).groupby("map")["id"].shift()
    records = rows.assign(before=before.fillna(rows["id"])).sort_values(["map", "epoch"]).to_dict("records")
    for projection, one in zip(projections.reshape(-1, *projections.shape[2:]), records, strict=True):
        seen = tiles.visible([one[side] for side in ("x0", "y0", "x1", "y1")], drawing.crop)
        shown = tiles.tile(tiles.contrast(projection, seen, drawing.percentile), seen, size)
        picture = np.full((size + BELOW, BAR + size, 3), 255, np.uint8)
        picture[:size, BAR:] = shown if one["activation"] > 0 else tiles.hatched(size, size)
        if one["id"] != one["before"]:
            picture[:size, 2:6] = ImageColor.getrgb(style.MARK)
        pictures.append(picture)
    tiles.place(axes, tiles.grid(pictures, len(epochs)))
    for place, epoch in enumerate(epochs):
        spot = (BAR + size / 2 + place * (size + BAR + tiles.GAP), 8)  # from the picture's top left corner
        axes.annotate(f"{epoch}", (0, 1), spot, "axes fraction", "offset pixels", ha="center", color=style.MUTED)
    for place, name in enumerate(maps):
        spot = (-4, -size / 2 - place * (size + BELOW + tiles.GAP))
        axes.annotate(f"map {name}", (0, 1), spot, "axes fraction", "offset pixels", ha="right", va="center")


Quarters = tuple[int, list[float], int, int]
"""A layer's number of maps, epochs by which each quarter settled, numbers of maps not settled and of dead maps."""


def settled(data: Data) -> dict[int, Quarters]:
    """Return each layer's number of maps, the epochs by which each quarter settled, and the numbers that never did."""
    found = {}
    for layer, rows in data["settled.csv"].groupby("layer"):
        quartiles = np.quantile(rows["epoch"].fillna(np.inf), (0.25, 0.5, 0.75), method="inverted_cdf")
        dead = int(rows["dead"].sum())
        found[layer] = (len(rows), quartiles.tolist(), int(rows["epoch"].isna().sum()) - dead, dead)
    return found


def remark(maps: int, quartiles: list[float], late: int, dead: int) -> str:
    """Return in words when a layer's maps settle."""
    never = f", {dead} dead" if dead else ""
    if np.isinf(quartiles[1]):
        return (
            "more than half of its maps are dead" if 2 * dead > maps else f"{late} of {maps} not before the end{never}"
        )
    later = f", {late} not before the end" if late else ""
    return f"half of its maps settle by epoch {number(quartiles[1], 0)}{later}{never}"


def alternative(data: Data) -> str:
    """Return in words what the figure shows, and when the layers settle."""
    epochs = ", ".join(f"{epoch}" for epoch in sorted(data["evolution.parquet"]["epoch"].unique()))
    words = "; ".join(f"layer {layer}: {remark(*found)}" for layer, found in settled(data).items())
    return f"Projections of each drawn map's strongest activation after epochs {epochs}. {words}."


def details(data: Data) -> Details:
    """Return as a table when the maps of each layer settle."""
    title = "The epoch from which a map's activations correlate at least 0.9 with what they end as"
    columns = ("Layer", "Maps", "A quarter settled", "Half", "Three quarters", "Not before the end", "Dead")
    rows = [(n, maps, *(number(one, 0) for one in by), *rest) for n, (maps, by, *rest) in settled(data).items()]
    return Details(title, columns, rows, open=True)


def convergence(data: Data, given: Given) -> list[Measure]:
    """Measure how much more often a map of the highest layer settles after a map of the lowest layer than before it."""
    rows = ours(data, "settled.csv")
    alive = rows[~rows["dead"]]
    # A map without an epoch settles after the last snapshot but one: later than the others by an unknown time
    found = [(layer, part["epoch"].fillna(np.inf).to_numpy()) for layer, part in alive.groupby("layer")]
    if len(found) < 2:
        raise Unmeasurable("maps of two layers or more must fire")
    (first, low), *_, (last, high) = found
    if np.isinf(low).all() and np.isinf(high).all():
        raise Unmeasurable("no map has settled at the snapshot before the last")
    later = resampled(lambda one, other: float(np.sign(comparable(one, other)).mean()), high, low)
    return [Measure(*later, over=f"{len(high)} maps of layer {last} and {len(low)} of layer {first}")]


def comparable(one: Float[np.ndarray, "_"], other: Float[np.ndarray, "_"]) -> Float[np.ndarray, "one other"]:
    """Return every epoch minus every other epoch; two infinite epochs count as equal."""
    pairs = np.broadcast_arrays(one[:, None], other[None, :])
    return np.subtract(*pairs, out=np.zeros(pairs[0].shape), where=pairs[0] != pairs[1])


CLAIMS = (
    Claim("convergence", "Low layers converge within a few epochs, high layers late.",
          "over all pairs of a map of the highest convolution layer and one of the lowest, both firing: share in which "
          "the first settles later minus share in which it settles earlier; two that do not before the end tie",
          "", above(), convergence, "layers exchanged at random: as often earlier as later", [learned("zfnet")]),
)  # fmt: skip
