"""Fig. 7: occlusion at every place: (a) image, (b) a map's activity, (c) its projection, (d), (e) the output."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from zfpipe import paths
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Premise, Unmeasurable, above, ours
from zfpipe.report.engine.measure import NOTHING, Measure, amount, number

ARTEFACT = Artefact(
    name="Figure 7",
    section="4.2",
    title="What hiding parts of an image changes",
    caption="A grey square goes over the image: (b) total activity of the last convolution layer's map with the "
    "strongest response, (c) that map's projection from this image and from others, (d) probability of the true class, "
    "and (e) the most probable class, each by the place of the square's centre. Below, and in the table, the same "
    "argument as numbers, over validation images whose object is known: whether the output falls more with the "
    "square on the object than off it, and more than where other images have their objects; whether it falls most "
    "there; and whether the map loses activity where its projection has energy, more than where projections in general "
    "have it.",
    paper="The probability of the true class falls when the object is hidden, so the network localises it. When the "
    "square covers what the projection shows, the map's activity falls, so projections show what excites a map.",
    folder=paths.OCCLUSION,
    made_by=("figure@7", "occlusion", "evaluate@zfnet, activations, train@zfnet"),
    printed="The paper shows three images and prints no numbers; size, step and grey of its square are not stated.",
    parameters=("runs.zfnet", "occlusion", "deconvnet", "crops.size", "figures.percentile"),
    results={"scores.csv": "the scores", "truth.csv": "image by image", "shown.parquet": "every place of the square"},
)
METHODS = """
- The square has {{ p("occlusion.size") }} of 224 pixels a side, of a smaller crop in proportion, and goes every
  {{ p("occlusion.stride") }} of 224 pixels (every {{ p("occlusion.shown_stride") }} where drawn); its grey is
  {{ p("occlusion.grey") }} of 255, before the mean is subtracted. At the border it hangs over. Only what it changes is
  computed anew, which gives the same numbers.
- {% if value("occlusion.images") is none %}All{{ about("occlusion.images") }}{% else %}At most
  {{ p("occlusion.images") }}{% endif %} validation images whose object is known, in an order of seed
  {{ p("occlusion.seed") }}; the {{ p("occlusion.shown") }} drawn are the first of different classes that the network
  gets right.
- The map of (b) and (c) is that of the last convolution layer with the largest activation in the unoccluded image; its
  activity is summed over the rectified map.
- On the object: the square's centre lies on it. Largest fall: whether that lies on the object (a share where several
  are equal), against the object's share of all places. Overlap: as many of the places with the largest falls as lie on
  the object, intersection over union, against its mean for places drawn at random. Intervals: 95 %, bootstrap over
  images of the paired differences. The object's mask is of what can be seen of it.
- Objects stand near the middle, where a square hides most whatever the network looks at. So the fall on the object
  minus that off it is compared with the same number of the same image for where other images have their objects, a
  mean over the next ten of them.
- Agreement: the correlation over places between the fall of the map's activity and the energy of its projection under
  the square. Any unit's projection lies where the unit looks. So it is compared, image by image, with the agreement of
  the mean energy of all images' projections, each of them with a sum of 1 and shifted to where this image's unit looks.
  The image's own share in that mean makes the comparison slightly too strict. It tests the way down, not what was
  learned: a network with random weights passes it too.
- That the network looks at the object is judged only where it knows the images: where its probability of
  their true class is more than a tenth of the way from that of the same network with random weights to 1.
"""
PANEL, SMALL = 290, 94  # sides of a panel, at least, and of the projections of other images, in pixels
COLOURS, REST = ("#0072b2", "#e69f00", "#cc79a7", "#009e73", "#56b4e9", "#d55e00"), "#bbbbbb"
"""Colours of the most frequent answers, the true class first, and of all other answers."""
TITLES = (
    ("(a) Image", "{outlined}"),
    ("(b) Layer {layer}, strongest map", "total activity, by the square's place"),
    ("(c) The map, projected", "{others}"),
    ("(d) Probability of its class", "by the square's place"),
    ("(e) Most probable class", "by the square's place"),
)
SCORES = {
    "drop": ("Fall of the true class's probability", "square on the object", "off it"),
    "drop_beyond": ("Its fall on the object minus off it", "this image's object", "other images' objects"),
    "hit": ("Largest fall lies on the object", "share of images", "a random place"),
    "overlap": ("Overlap of the largest falls with the object", "intersection over union", "random places"),
    "agreement": ("Fall of the map's activity, correlation with hidden energy", "its projection", "any projection"),
    "known": (
        "Probability of the true class, nothing hidden",
        "this network",
        "a tenth of the way from an untrained one's to 1",
    ),
}
"""The meaning of each score, and the names of its value and of its comparison."""


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw Fig. 7."""
    described, places, arrays = (data[f"shown.{suffix}"] for suffix in ("json", "parquet", "safetensors"))
    classes, squares, grey = described["classes"], described["grids"], described["grey"] / 255
    side, every = squares["all"]["size"], squares["all"]["stride"]
    images = [(image, places[places["id"] == image["id"]].sort_values(["y", "x"])) for image in described["images"]]
    keys = sum(min(len({image["label"], *rows["top1"]}), len(COLOURS)) for image, rows in images)
    rule = f"Against the truth: a grey square of {side} × {side} pixels every {every} pixels"
    notes = [f"{rule}, over images whose object is known", *sentences(data)]
    if reason := described["unprojected"]:
        notes.append(f"No projections in (c): {reason}.")
    figure = style.figure(100 + (PANEL + 50) * len(images) + 24 * keys + 33 * len(notes))
    widths = (PANEL, PANEL, PANEL, 2 * SMALL + tiles.GAP, PANEL, PANEL)
    grid = figure.subplots(len(images), len(widths), squeeze=False, width_ratios=widths)
    remarks = {
        "outlined": "object outlined" if arrays["masks"].any() else "object not known",
        "others": "right: patches of other images" if reason else "right: from other images",
    }
    for axes, (title, remark) in zip(np.delete(grid[0], 3), TITLES, strict=True):
        axes.set_title(title.format(layer=described["layer"]), fontsize=16, pad=34)
        look = {"fontsize": style.SMALL, "color": style.MUTED}
        axes.annotate(remark.format(**remarks), (0, 1), (0, 10), "axes fraction", "offset points", **look)
    for row, (image, rows) in enumerate(images):
        first, activity, projection, beside, probability, answer = grid[row]
        first.imshow(arrays["images"][row])
        first.set_xlabel(short(classes[image["label"]]), loc="left")
        size, step = squares["shown"]["size"], squares["shown"]["stride"]
        corner = drawing.crop - size - 2
        first.add_patch(Rectangle((corner, corner), size, size, fc=(grey, grey, grey), ec="white", linewidth=1.5))
        total, p_true, top1 = (over(rows[name], step, drawing.crop) for name in ("map_activity", "p_true", "top1"))
        heat(activity, total, image["activity"], f"map {image['map']}")
        heat(probability, p_true, 1.0, f"unhidden: {number(image['p_true'], 2)}")
        answers(answer, top1, classes, image["label"])
        for axes in (first, activity, probability, answer):
            style.outline(axes, arrays["masks"][row] > 0)
        own, others = projections(arrays, row, drawing, bool(reason))
        projection.imshow(own)
        if reason:
            projection.text(0.5, 0.5, "not projected", transform=projection.transAxes, ha="center", color=style.MUTED)
        tiles.place(beside, others)
        for axes in (first, activity, projection, probability, answer):
            style.bare(axes).set_anchor("NW")
    style.note(figure, *notes)
    return figure


def over(values: pd.Series, step: int, crop: int) -> Shaped[np.ndarray, "y x"]:
    """Return for each pixel the value of the square's nearest place."""
    side = round(len(values) ** 0.5)
    nearest = np.minimum(np.arange(crop) // step, side - 1)
    return values.to_numpy().reshape(side, side)[np.ix_(nearest, nearest)]


def heat(axes: Axes, values: Float[np.ndarray, "y x"], most: float, words: str) -> None:
    """Draw a value at each place of the square, from 0 to the largest, with a colour bar."""
    full = max(most, float(values.max())) or 1.0
    image = axes.imshow(values, vmin=0, vmax=full)
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0, 0.06, 1)))
    bar.set_ticks([0, full / 2, full], labels=[amount(value) for value in (0, full / 2, full)])
    axes.set_xlabel(words, loc="left")


def projections(
    arrays: Mapping[str, np.ndarray], row: int, drawing: style.Drawing, unprojected: bool = False
) -> tuple[tiles.Pixels, tiles.Pixels]:
    """Return the image's projection at its place, blank outside the receptive field, and tiles of other images.

    If the network can't be projected, the projection is blank and the tiles are patches alone.
    """
    own, beside = np.full((drawing.crop, drawing.crop, 3), tiles.PAPER, np.uint8), list[tiles.Pixels]()
    groups = (arrays[name][row] for name in ("projections", "patches", "boxes"))
    for place, (pixels, patch, box) in enumerate(zip(*groups, strict=True)):
        seen = tiles.visible(box, drawing.crop)
        shown = tiles.contrast(pixels, seen, drawing.percentile)
        if place:
            beside += [tiles.tile(one, seen, SMALL) for one in ((patch,) if unprojected else (shown, patch))]
        elif not unprojected:
            inside = shown[seen.any(1)][:, seen.any(0)]
            x, y = np.maximum(box[:2], 0)
            own[y : y + len(inside), x : x + inside.shape[1]] = inside
    return own, tiles.grid(beside or [np.full((1, 1, 3), 255, np.uint8)], 2)


def answers(axes: Axes, labels: Int[np.ndarray, "y x"], classes: Sequence[str], true: int) -> None:
    """Draw the most probable class at each place, and a legend below: the true class, then others by frequency."""
    counts = np.bincount(labels.ravel())
    found = [true, *(int(label) for label in np.argsort(-counts, kind="stable") if counts[label] and label != true)]
    named = found if len(found) <= len(COLOURS) else found[: len(COLOURS) - 1]
    colours = dict(zip(named, COLOURS, strict=False))
    handles = [Patch(color=colour, label=short(classes[label])) for label, colour in colours.items()]
    if len(found) > len(named):
        handles.append(Patch(color=REST, label=f"{len(found) - len(named)} others"))
    axes.imshow([[to_rgb(colours.get(label, REST)) for label in row] for row in labels.tolist()])
    look = {"borderaxespad": 0, "borderpad": 0, "handlelength": 0.8, "labelspacing": 0.3}
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.03), **look)


def short(name: str) -> str:
    """Return a class's name, cut so that it does not reach the next panel."""
    return name if len(name) < 21 else f"{name[:18]}…"


def scores(data: Data) -> dict[str, tuple[float, float, Measure]]:
    """Return each score: our value, its comparison, and their paired difference over images."""
    found = {}
    for row in ours(data, "scores.csv").to_dict("records"):
        difference = Measure(row["difference"], row["low"], row["high"], int(row["images"]), "images")
        found[row["score"]] = (row["value"], row["against"], difference)
    return found


def sentences(data: Data) -> list[str]:
    """Return the scores in words, or a sentence that no object is known."""
    found = []
    for score, (value, against, difference) in scores(data).items():
        title, name, other = SCORES[score]
        both = f"{number(value, 3)} ({name}), {number(against, 3)} ({other})"
        found.append(f"{title}: {both}; difference {difference.text(3)}, {difference.count}")
    return found or ["Not available: no image has an object box or mask (docs/data.md says how to supply them)."]


def alternative(data: Data) -> str:
    """Return Fig. 7 in words."""
    described, places = data["shown.json"], data["shown.parquet"]
    parts, worst = [], places.groupby("id")["p_true"].min()
    for image in described["images"]:
        known, lowest = number(image["p_true"], 2), number(worst[image["id"]], 2)
        parts.append(f"{described['classes'][image['label']]}: probability {known}, at worst {lowest} when hidden")
    return f"Images hidden place by place by a grey square. {'; '.join(parts)}. {'. '.join(sentences(data))}"


def details(data: Data) -> Details:
    """Return the scores as a table."""
    rows = [
        (SCORES[score][0], number(value, 3), number(against, 3), difference.text(3), number(difference.n, 0))
        for score, (value, against, difference) in scores(data).items()
    ]
    columns = ("Score", "Ours", "Compared with", "Difference (95 % interval)", "Images")
    title = "Against the truth, over images whose object is known"
    return Details(title, columns, rows or [(sentences(data)[0], *[NOTHING] * 4)], open=True)


def hidden(data: Data, score: str) -> list[Measure]:
    """Return the paired difference of a score."""
    if score not in scores(data):
        raise Unmeasurable("fewer than two validation images have an object whose place is known (boxes or masks)")
    return [scores(data)[score][2]]


KNOWN = Premise(
    "the network's probability of the images' classes is less than a tenth of the way from the untrained one's to 1",
    lambda data, _: hidden(data, "known"),
)
CLAIMS = (
    Claim("hidden-object", "Hiding the object makes the true class drop: the network looks at the object.",
          "fall of the true class's probability with the square on the object, minus off it, beyond the same where "
          "other images have their objects", "", above(), lambda data, _: hidden(data, "drop_beyond"),
          "the same image with the square where other images have their objects", [KNOWN]),
    Claim("hidden-structure", "Hiding what the projection shows makes its map drop.",
          "correlation, over the square's positions, of the fall of the map's activity with the energy of its "
          "projection that is hidden, beyond that with the energy of projections in general", "", above(),
          lambda data, _: hidden(data, "agreement"),
          "the mean projection of all images' strongest units, shifted to where this image's unit looks: what the "
          "network gives to any image"),
)  # fmt: skip
