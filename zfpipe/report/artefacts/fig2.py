"""Fig. 2: the strongest activations of feature maps, projected to pixels, next to their image patches."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Artefact, Data, Details

ARTEFACT = Artefact(
    name="Figure 2",
    section="4",
    title="What excites each feature map",
    caption="A random subset of the maps of every convolution layer. For each map, the validation images with its "
    "strongest activations, one activation per image, projected down to pixels by the deconvnet; beside them the "
    "patches that the units see. Each projection is scaled alone: zero is mid-grey, and the {percentile:g}th "
    "percentile of its absolute values is full contrast. Pale areas lie beyond the image's border; hatched tiles are "
    "of dead maps, which never fire.",
    paper="The projections of a map form a tight group while its patches vary more; higher layers are more "
    "invariant and more specific to a class, and they exaggerate what sets a class apart, such as eyes and noses.",
    folder=paths.PROJECTIONS,
    made_by=("figure@2", "projections", "activations", "train@zfnet"),
    printed="The paper prints no numbers with this figure.",
    parameters=("runs.zfnet", "projections", "deconvnet", "figures.percentile", "crops.size"),
    results={"projections.parquet": "activations, images and boxes"},
)
METHODS = """
- Fig. 2 draws {{ p("projections.maps") }} maps of each layer, at random from seed {{ p("projections.seed") }}, each
  with its strongest {{ p("projections.strongest") }} activations, from different images on their centre crops.
- Patches and projections are cut to the exact receptive field, and only that is computed, which gives the same numbers.
- Every projection is scaled alone: zero is mid-grey, and the {{ p("figures.percentile") }}th percentile of its absolute
  values is full contrast.
"""
FIRST, TITLE, LABEL, PAD, INSIDE = 44, 64, 50, 6, 4
"""Pixels: heights of the first line, a layer's title and a map's words; around a map, and between its halves."""
LETTERS = {"fontsize": 16, "fontweight": "normal"}


def sizes(projections: np.ndarray) -> tuple[int, int, int]:
    """Return the number of maps in a row of a layer's band, the side of a tile and the height of the band."""
    maps, ranks, field = projections.shape[:3]
    columns = 8 if field < 16 else 4 if field < 90 else 3  # large receptive fields are drawn larger
    side = math.ceil(math.sqrt(ranks))
    tile = ((style.WIDTH // columns - 2 * PAD - INSIDE) // 2 + tiles.GAP) // side - tiles.GAP
    tile -= tile % field if tile % field <= tile / 8 else 0  # whole multiples of the field, if that costs little size
    return columns, tile, TITLE + math.ceil(maps / columns) * (LABEL + side * (tile + tiles.GAP))


def strips(data: Data, drawing: style.Drawing) -> list[tuple[str, int, int]]:
    """Return each layer's title, and top and height of its band in pixels of the drawn figure."""
    layers = sorted(set(data["projections.parquet"]["layer"]))
    heights = [sizes(data[f"layer{layer}.npy"])[-1] for layer in layers]
    return [(f"Layer {layer}", FIRST + sum(heights[:i]), heights[i]) for i, layer in enumerate(layers)]


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw each layer as a band over the whole width, one below another."""
    layers = data["projections.parquet"].sort_values(["map", "rank"]).groupby("layer")
    heights = [FIRST, *(height for *_, height in strips(data, drawing))]
    figure = style.figure(sum(heights))
    figure.set_layout_engine("constrained", w_pad=PAD / style.DPI, h_pad=PAD / style.DPI, wspace=0, hspace=0)
    first, *bands = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    words = f"Each pair of squares is one feature map: its {data['projections.parquet']['rank'].nunique()} strongest "
    words += "activations, projected to pixels (left; grey is zero), and the image patches behind them (right)"
    first.suptitle(words, x=PAD / style.WIDTH, ha="left", fontsize=16)
    for (layer, rows), band in zip(layers, bands, strict=True):
        projections, patches = data[f"layer{layer}.npy"], data[f"layer{layer}_patches.npy"]
        maps, _, field = projections.shape[:3]
        columns, tile, _ = sizes(projections)
        style.heading(band, f"Layer {layer}", f"each tile is {field} × {field} pixels of an image", PAD)
        for place, (number, one) in enumerate(rows.groupby("map")):
            axes = band.add_subplot(math.ceil(maps / columns), columns, place + 1)
            tiles.place(axes, pair(one, projections[place], patches[place], tile, drawing))
            axes.set_title(f"map {number}", LETTERS)
            axes.set_title(remark(one, columns < 8), LETTERS, loc="right", color=style.MUTED)
    return figure


def pair(
    rows: pd.DataFrame, projections: np.ndarray, patches: np.ndarray, tile: int, drawing: style.Drawing
) -> tiles.Pixels:
    """Return a map's square of projections and its square of patches `(rank, y, x, 3)`, as tiles of `side` pixels."""
    left, right = list[tiles.Pixels](), list[tiles.Pixels]()
    boxes = rows[["x0", "y0", "x1", "y1"]].to_numpy()
    for fires, box, projection, patch in zip(rows["activation"] > 0, boxes, projections, patches, strict=True):
        seen = tiles.visible(box, drawing.crop)
        for square, shown in ((left, tiles.contrast(projection, seen, drawing.percentile)), (right, patch)):
            square.append(tiles.tile(shown, seen, tile) if fires else tiles.hatched(tile, tile))
    squares = [tiles.grid(square, math.ceil(math.sqrt(len(rows)))) for square in (left, right)]
    return np.hstack([squares[0], np.full((len(squares[0]), INSIDE, 3), 255, np.uint8), squares[1]])


def tally(rows: pd.DataFrame) -> tuple[str, int, int]:
    """Return the most frequent class among a map's strongest images, the number of its images, and of all images.

    Of equally frequent classes, the class with the stronger image counts. Images on which the map does not fire do not.
    """
    classes = rows.loc[rows["activation"] > 0].sort_values("rank")["class"].astype(str).tolist()
    first = max(dict.fromkeys(classes), key=classes.count, default="")
    return first, classes.count(first), len(classes)


def remark(rows: pd.DataFrame, room: bool) -> str:
    """Return the class that most of a map's images belong to, such as `husky 7 of 9`, if there is room for it."""
    name, count, total = tally(rows)
    if not total or not room:
        return "" if total else "dead"
    short = name if len(name) <= 22 else name[:21].rstrip() + "…"
    return f"{total} classes" if count == 1 < total else f"{short} {count} of {total}"


def tallies(data: Data) -> dict[tuple[int, int], tuple[str, int, int]]:
    """Return the tallies of all drawn maps by layer and map."""
    return {key: tally(rows) for key, rows in data["projections.parquet"].groupby(["layer", "map"])}


def alternative(data: Data) -> str:
    """Return in words which maps are drawn, and which map of the highest layer agrees most on a class."""
    found, layers = tallies(data), [layer for layer, _ in tallies(data)]
    drawn = ", ".join(f"{layers.count(layer)} maps of layer {layer}" for layer in dict.fromkeys(layers))
    words = f"Grids of deconvnet projections beside grids of image patches: {drawn}."
    layer, number = max((key for key in found if key[0] == layers[-1]), key=lambda key: found[key][1])
    name, count, total = found[layer, number]
    if total:
        words += f" In layer {layer} the maps agree most on a class in map {number}: {count} of its {total} strongest "
        words += f"images show {name}."
    if dead := sum(not total for _, _, total in found.values()):
        words += f" {dead} of the {len(found)} maps never fire and are hatched."
    return words


def details(data: Data) -> Details:
    """Return each map's most frequent class as a table, for readers who can't see the pictures."""
    rows = [
        (
            *key,
            f"{name} on {count} of its {total} strongest images" if total else "never fires on the validation images",
        )
        for key, (name, count, total) in tallies(data).items()
    ]
    return Details("Figure 2 in words", ("Layer", "Map", "Most frequent class"), rows)
