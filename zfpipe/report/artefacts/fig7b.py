"""Fig. 7b (not in the paper): where later methods say that the network looks, beside occlusion and the deconvnet."""

import textwrap
from typing import Any

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from zfpipe import paths
from zfpipe.report.engine import style
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.measure import NOTHING, Measure, number

ARTEFACT = Artefact(
    name="Figure 7b",
    section="4.2",
    title="Where later methods say that the network looks",
    caption="The images of Figure 7 once more, as methods published since see them, through captum: gradient saliency, "
    "guided backpropagation, Grad-CAM and integrated gradients, beside occlusion and the deconvnet's strongest "
    "projection. All are measured alike: the sum of a map under the square at each of its places.",
    paper="",
    folder=paths.ATTRIBUTION,
    made_by=("figure@7b", "attribution", "evaluate@zfnet, train@zfnet"),
    printed="",
    parameters=("runs.zfnet", "attribution", "occlusion", "deconvnet", "crops.size", "figures.percentile"),
    results={"scores.csv": "the scores"},
)
METHODS = """\
- Fig. 7b, not in the paper: saliency, guided backpropagation, Grad-CAM (last convolution layer) and integrated
  gradients (from the grey image) by captum, for the true class's logit, on {{ p("attribution.images") }} images, each
  as the sum under the same square at the same places.
"""
CLAIMS = ()

NONE = "not available: no image has an object box or mask"


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw a row for each image: the image and every method's map of it; the scores stand below the maps."""
    shown, arrays, found = data["shown.json"], data["shown.safetensors"], scores(data)
    names, classes = ["occlusion", *shown["methods"]], shown["classes"]
    figure = style.figure(len(classes) * 320)
    grid = figure.subplots(len(classes), 1 + len(names), squeeze=False)
    for row, axes in enumerate(grid):
        mask = arrays["masks"][row] > 0
        outlined(axes[0], arrays["images"][row], mask)
        axes[0].set_xlabel(textwrap.fill(classes[row], 22), loc="left")
        for panel, values in zip(axes[1:], [arrays["drop"][row], *arrays["maps"][row]], strict=True):
            outlined(panel, values, mask, max(0.0, float(np.percentile(values, drawing.percentile))) or 1.0)
    grid[0, 0].set_title("Image")
    for top, bottom, name in zip(grid[0, 1:], grid[-1, 1:], names, strict=True):
        top.set_title(textwrap.fill(name[0].upper() + name[1:], 18))
        hit, overlap = (number(found[name][score]["value"] if found else None, 2) for score in ("hit", "overlap"))
        bottom.set_xlabel(f"largest on object {hit}\noverlap {overlap}", loc="left")
    meaning = f"The scores are {NONE}."
    if found:
        hit, overlap = found["occlusion"]["hit"], found["occlusion"]["overlap"]
        chance = f"{number(hit['against'], 2)} and {number(overlap['against'], 2)}"
        meaning = f"Numbers: over {number(hit['images'], 0)} images, at the occluder's places; by chance {chance}."
    style.note(figure, "Each map is scaled alone, from 0 (dark) up. The line is the outline of the object.", meaning)
    figure.draw_without_rendering()  # the words take the height that they need; then the panels become squares
    panel = grid[0, 0].get_window_extent()
    figure.set_figheight(figure.get_figheight() + len(grid) * (panel.width - panel.height) / style.DPI)
    return figure


def outlined(axes: Axes, picture: np.ndarray, mask: Bool[np.ndarray, "y x"], full: float = 1.0) -> None:
    """Show an image, or a map from 0 to `full` contrast, with the outline of the object: white with a dark edge."""
    place: Any = {"origin": "upper", "extent": (0, 1, 0, 1)}
    style.bare(axes).imshow(picture, vmin=0, vmax=full, interpolation="auto", aspect="auto", **place)
    if mask.any() and not mask.all():
        line = axes.contour(mask, levels=[0.5], colors="white", linewidths=2.5, **place)
        line.set_path_effects([withStroke(linewidth=5.5, foreground=style.INK)])


def scores(data: Data) -> dict[str, dict[str, Any]]:
    """Return the rows of scores by method and score; none where no object is known."""
    rows = data["scores.csv"].to_dict("records")
    return {one["method"]: {row["score"]: row for row in rows if row["method"] == one["method"]} for one in rows}


def alternative(data: Data) -> str:
    """Return the figure in words."""
    rows = "; ".join(f"{row[0]}: {row[1]} on the object, overlap {row[3]}" for row in details(data).rows)
    return f"Maps of where six methods say that the network looks, for the images of Figure 7. {rows}."


def details(data: Data) -> Details:
    """Return the scores as a table."""
    rows = []
    for name, found in scores(data).items():
        cells = []
        for row in (found["hit"], found["overlap"]):
            beyond = Measure(row["difference"], row["low"], row["high"])
            cells += [number(row["value"], 2), beyond.text(2, sign=True)]
        rows.append((name[0].upper() + name[1:], *cells, number(found["hit"]["images"], 0)))
    columns = ("Method", "Largest on the object", "Beyond chance", "Overlap", "Beyond chance", "Images")
    return Details("Against the truth (not in the paper)", columns, rows or [(NONE, *[NOTHING] * 5)], open=True)
