"""Fig. 5: features of layers 1 and 7 and the true class's probability while images move, grow and turn."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from zfpipe import paths
from zfpipe.probes import intervals
from zfpipe.probes.intervals import bootstrap, resampled
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Given, Premise, Unmeasurable, above, below, ours
from zfpipe.report.engine.measure import Measure, amount, number

ARTEFACT = Artefact(
    name="Figure 5",
    section="4",
    title="Invariance to translation, scale and rotation",
    caption="Above, a few images moved up and down, enlarged and turned: how far their features go from the "
    "untransformed ones (Euclidean distance) in layer 1 and in the highest hidden layer, and the probability of the "
    "true class. The whole image is transformed before the crop is cut; what lies beyond it is filled by the border "
    "rule. Below, the same over many images, as medians with quartiles; a distance of 1 is the median one between two "
    "different images.",
    paper="Small transformations change layer 1 a lot and layer 7 much less, there almost linearly for translation and "
    "scaling. The output is stable to translation and scaling, but not to rotation, except for objects that look "
    "the same when turned.",
    folder=paths.INVARIANCE,
    made_by=("figure@5", "invariance", "evaluate@zfnet, train@zfnet"),
    printed="The paper prints curves, without numbers: translations of up to 60 pixels, scales of up to 1.8, rotations "
    "of up to 350 degrees.",
    parameters=("runs.zfnet", "invariance", "crops.size", "betons.resize"),
    results={
        "invariance.parquet": "every image, transformation and layer",
        "untrained.parquet": "the same of the network with random weights",
        "summary.csv": "medians and quartiles",
    },
)
METHODS = """\
- The whole resized image is moved, enlarged or turned around the crop's centre (bilinear, OpenCV), then the centre crop
  is cut, so that what lies around it comes in; beyond the image it is
  {{ "mirrored" if value("invariance.border") == "reflect" else "repeated from the last pixels" }}.
  {{- about("invariance.border") }}
- Translations to {{ p("invariance.translation") }} of 224 pixels up and down in steps of
  {{ p("invariance.translation_step") }}, of a smaller crop in proportion and in whole pixels; scales to
  {{ p("invariance.scale") }} in steps of {{ p("invariance.scale_step") }}; rotations to {{ p("invariance.rotation") }}
  degrees in steps of {{ p("invariance.rotation_step") }}.
- Over {{ p("invariance.images") }} validation images, at random from seed {{ p("invariance.seed") }}; the
  {{ p("invariance.shown") }} drawn are the first of different classes that the network gets right. Features of layer 1
  are what it hands on, after pooling and normalisation; of layer 7 after the ReLU. Distances over many images are in
  units of the median distance between two different ones.
- The null is the same network with random weights, which sees the same transformed images. Its highest layer
  moves less than its first too, and no change moves an output that does not depend on the image. So distances of
  layers are compared image by image with its own, a straight line must fit better than in it, and the output's claims
  are judged only where the network's probability of the true class is more than a tenth of the way from its own to 1.
"""


TRAINED, UNTRAINED = "invariance.parquet", "untrained.parquet"


class Kind(NamedTuple):
    """A transformation in words; `none` is the amount that changes nothing."""

    title: str
    axis: str
    change: str
    none: float = 0.0


KINDS = {
    "translation": Kind("Moved", "pixels down of a {crop} × {crop} crop", "Moved down by {} pixels"),
    "scale": Kind("Enlarged", "factor", "Enlarged {} times", 1.0),
    "rotation": Kind("Turned", "degrees counterclockwise", "Turned by {} degrees"),
}


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw a few correctly classified images above, if there are any, and medians over many images below."""
    some = len(data["shown.csv"]) > 0
    figure = style.figure(2200 if some else 940)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.34, 1), hspace=0.03) if some else [figure]
    if some:
        one_by_one(parts[0], data, drawing.crop)
    together(parts[-1], data, drawing.crop)
    return figure


def one_by_one(figure: Figure | SubFigure, data: Data, crop: int) -> None:
    """Draw a row for each transformation: the images, and each image's curves in its colour."""
    table, shown, images = data["invariance.parquet"], data["shown.csv"], data["shown.npy"]
    layers = sorted(table["layer"].unique())
    charts = [(f"Layer {layer}: distance", layer, "distance") for layer in layers]
    charts.append(("Probability of its class", layers[0], "p_true"))
    style.heading(figure, "Image by image")
    grid = figure.subplots(len(KINDS), 1 + len(charts), width_ratios=(0.98, *[1] * len(charts)))
    for row, (kind, words) in enumerate(KINDS.items()):
        pictures(grid[row, 0], images[:, row])
        grid[row, 0].set_title(words.title)
        for axes, (title, layer, column) in zip(grid[row, 1:], charts, strict=True):
            part = table[(table["transform"] == kind) & (table["layer"] == layer)].sort_values("amount")
            for colour, image in zip(style.COLOURS, shown["id"], strict=False):
                one = part[part["id"] == image]
                axes.plot(one["amount"], one[column], color=colour)
            axes.set(title="" if row else title, xlabel=words.axis.format(crop=crop))
            axes.set_ylim((-0.03, 1.03) if column == "p_true" else (0, None))
            axes.margins(x=0.03)
    names = shown["class"].astype(str).tolist()
    columns = max(1, min(5, len(names), 1900 // (90 + 12 * max(map(len, names)))))
    figure.legend(grid[0, 1].lines, names, loc="outside lower center", ncols=columns)


def pictures(axes: Axes, images: UInt8[np.ndarray, "image step y x 3"]) -> None:
    """Show an image in each column, with its steps from top to bottom, above the colour of its curves."""
    count, steps, side, _, _ = images.shape
    small = [picture for row in images.swapaxes(0, 1) for picture in row]
    style.bare(axes).imshow(tiles.grid(small, count), interpolation="auto")
    axes.set_anchor("NW")
    lefts, below = np.arange(count) * (side + tiles.GAP), steps * (side + tiles.GAP) + side * 0.06
    axes.hlines([below] * count, lefts, lefts + side, colors=style.COLOURS[:count], linewidth=7, clip_on=False)


def together(figure: Figure | SubFigure, data: Data, crop: int) -> None:
    """Draw medians and quartiles over all images: the layers on one scale, and the output."""
    summary, count = data["summary.csv"], data["invariance.parquet"]["id"].nunique()
    layers = sorted(summary["layer"].unique())
    style.heading(figure, f"{number(count, 0)} images: median and quartiles")
    grid = figure.subplots(2, len(KINDS), sharex="col", sharey="row", height_ratios=(1.3, 1))
    for (kind, words), (distance, output) in zip(KINDS.items(), grid.T, strict=True):
        rows = summary[summary["transform"] == kind].sort_values("amount")
        for colour, layer in zip(style.COLOURS, layers, strict=False):
            band(distance, rows[rows["layer"] == layer], "relative", colour, f"layer {layer}")
        distance.axhline(1, color=style.MUTED, linewidth=2, linestyle=":", label="two different images")
        band(output, rows[rows["layer"] == layers[0]], "p_true", style.INK, "")
        distance.set_title(words.title)
        output.set(xlabel=words.axis.format(crop=crop), ylim=(-0.03, 1.03))
    grid[0, 0].set(ylabel="Distance", ylim=(0, None))
    grid[1, 0].set_ylabel("Probability of its class")
    figure.legend(handles=grid[0, 0].lines, loc="outside lower center", ncols=3)


def band(axes: Axes, rows: pd.DataFrame, column: str, colour: str, label: str) -> None:
    """Draw a median as a line and quartiles as a band."""
    low, high = rows[f"{column}_low"], rows[f"{column}_high"]
    axes.fill_between(rows["amount"], low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(rows["amount"], rows[f"{column}_median"], color=colour, label=label)
    axes.margins(x=0.03)


def alternative(data: Data) -> str:
    """Return the figure in words."""
    rows = "; ".join(f"{row[0]}: {', '.join(row[1:])}" for row in details(data).rows)
    return f"Curves of feature distances and of the true class's probability while images are transformed. {rows}."


def details(data: Data) -> Details:
    """Return the medians over the images at a small, a middle and the largest change."""
    summary, rows = data["summary.csv"], []
    layers = sorted(summary["layer"].unique())
    for kind, words in KINDS.items():
        part = summary[(summary["transform"] == kind) & (summary["amount"] > words.none)].set_index("layer")
        changed = sorted(part["amount"].unique())
        for one in dict.fromkeys((changed[0], changed[len(changed) // 2], changed[-1])):
            at = part[part["amount"] == one]
            medians = [*at.loc[layers, "relative_median"], at.loc[layers[0], "p_true_median"]]
            rows.append((words.change.format(amount(one)), *(number(median, 2) for median in medians)))
    columns = ("Change", *(f"Layer {layer} (1: another image)" for layer in layers), "True class")
    return Details("Medians over all images", columns, rows)


def changes(
    data: Data, kind: str, column: str, highest: bool = False, file: str = TRAINED
) -> tuple[np.ndarray, np.ndarray]:
    """Return each amount's distance from no change, and a column's values by image and amount in one of two layers."""
    rows: Any = ours(data, file)
    layers = sorted(rows["layer"].unique())
    if len(layers) < 2:
        raise Unmeasurable("the network has no hidden fully connected layer")
    chosen = rows[(rows["transform"] == kind) & (rows["layer"] == layers[-1 if highest else 0])]
    wide = chosen.pivot(index="id", columns="amount", values=column)
    far = np.abs(wide.columns.to_numpy(np.float64) - KINDS[kind].none)
    return np.minimum(far, 360 - far) if kind == "rotation" else far, wide.to_numpy(np.float64)


def apart(data: Data, smallest: bool) -> list[Measure]:
    """Return for each image how much less the highest layer changes than the lowest, trained minus untrained.

    The change is over all amounts, or at the smallest amount.
    """
    found = []
    for kind, words in KINDS.items():
        trained, untrained = (falls(data, kind, smallest, file) for file in (TRAINED, UNTRAINED))
        found.append(Measure(*bootstrap(trained - untrained), len(trained), "images", words.title.lower()))
    return found


def falls(data: Data, kind: str, smallest: bool, file: str) -> Float[np.ndarray, "image"]:
    """Return the lowest layer's relative distance minus the highest's, of each image."""
    (far, first), (_, top) = (changes(data, kind, "relative", highest, file) for highest in (False, True))
    chosen = np.isclose(far, far[far > 0].min()) if smallest else far > 0
    return (first - top)[:, chosen].mean(1)


def linear(data: Data, _: Given) -> list[Measure]:
    """Return the median over the images of R² of the best line."""
    return [median(kind, straightness(data, kind)) for kind in ("translation", "scale")]


def straighter(data: Data, _: Given) -> list[Measure]:
    """Return the median over the images of R² minus that of the untrained network."""
    return [
        median(kind, straightness(data, kind) - straightness(data, kind, UNTRAINED))
        for kind in ("translation", "scale")
    ]


def straightness(data: Data, kind: str, file: str = TRAINED) -> Float[np.ndarray, "image"]:
    """Return R² of a line through zero fitted to each image's distance in the highest layer, or NaN without change."""
    far, distances = changes(data, kind, "distance", highest=True, file=file)
    line = np.outer(distances @ far / (far @ far), far)
    total = ((distances - distances.mean(1, keepdims=True)) ** 2).sum(1)
    rest = ((distances - line) ** 2).sum(1)
    return 1 - np.divide(rest, total, out=np.full_like(rest, np.nan), where=total > 0)


def median(kind: str, values: Float[np.ndarray, "image"]) -> Measure:
    """Return the median over the images that have a value."""
    values = values[~np.isnan(values)]
    if not len(values):
        raise Unmeasurable("the highest layer never changes")
    return Measure(*bootstrap(values, np.median), len(values), "images", KINDS[kind].title.lower())


def known(data: Data, _: Given) -> list[Measure]:
    """Return the true class's probability minus the point a tenth of the way from the untrained network's to 1."""
    one, other = (changes(data, "scale", "p_true", file=file) for file in (TRAINED, UNTRAINED))
    trained, untrained = (values[:, far == 0].mean(1) for far, values in (one, other))
    return [Measure(*bootstrap(trained - untrained - intervals.KNOWN * (1 - untrained)), len(trained), "images")]


def kept(data: Data, *kinds: str) -> list[Measure]:
    """Return the true class's mean probability over all changes, divided by its mean without change."""
    found = []
    for kind in kinds:
        far, probabilities = changes(data, kind, "p_true")
        pairs = np.column_stack([probabilities[:, far > 0].mean(1), probabilities[:, far == 0].mean(1)])
        values = resampled(lambda one: one[:, 0].sum() / one[:, 1].sum(), pairs)
        found.append(Measure(*values, len(pairs), "images", KINDS[kind].title.lower()))
    return found


SAME = "the same network before training, on the same images"
CONSTANT = "the same network before training, whose output hardly depends on the image and so keeps everything"
KNOWN = Premise(
    "the network's probability of the images' classes is less than a tenth of the way from the untrained one's to 1",
    known,
)
CLAIMS = (
    Claim("invariance", "Invariance grows with depth.",
          "distance that features go when images are moved, enlarged and turned, in units of the median distance "
          "between two images: lowest layer minus highest, mean over all amounts, trained network minus untrained; for "
          "each kind of change", "", above(), lambda data, _: apart(data, smallest=False), SAME),
    Claim("small-changes", "Small transformations change layer 1 much and the top layer little.",
          "distance as above at the smallest amount: lowest layer minus highest, trained network minus untrained; for "
          "each kind of change", "", above(), lambda data, _: apart(data, smallest=True), SAME),
    Claim("linearity", "The top layer's change is nearly linear in translation and scale.",
          "R² of a straight line through no change, image by image, median; for each of the two", "", above(0.9),
          linear, f"{SAME}: R² must be larger than its", why="nine tenths of the variance; the paper prints curves",
          premises=[Premise("a straight line fits no better than in a network with random weights", straighter)]),
    Claim("stable", "The output is stable to translation and scale.",
          "what the true class keeps of its probability, mean over all amounts; for each of the two", "", above(0.75),
          lambda data, _: kept(data, "translation", "scale"), CONSTANT,
          why="three quarters; the paper prints curves", premises=[KNOWN]),
    Claim("rotation", "The output is not stable to rotation.", "the same when images turn, mean over all angles", "",
          below(0.75), lambda data, _: kept(data, "rotation"), CONSTANT,
          why="three quarters, as for translation and scale", premises=[KNOWN]),
)  # fmt: skip
