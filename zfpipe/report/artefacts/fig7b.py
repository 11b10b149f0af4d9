"""Fig. 7b (not in the paper): later attribution methods next to occlusion and the deconvnet."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

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
PLACE: Any = {"origin": "upper", "extent": (0, 1, 0, 1)}
NONE = "not available: no image has an object box or mask"


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw a row for each image: the image and every method's map of it; the scores stand below the maps."""
    arrays, found, classes = data["shown.safetensors"], scores(data), data["shown.json"]["classes"]
    names = ["occlusion", *data["shown.json"]["methods"]]
    figure = style.figure(len(classes) * 320)
    grid = figure.subplots(len(classes), 1 + len(names), squeeze=False)
    for row, axes in enumerate(grid):
        shown = [arrays["images"][row], arrays["drop"][row], *arrays["maps"][row]]
        for panel, values in zip(axes, shown, strict=True):
            full = max(0.0, float(np.percentile(values, drawing.percentile))) or 1.0  # 0: no pixel matters
            style.bare(panel).imshow(values, vmin=0, vmax=full, interpolation="auto", aspect="auto", **PLACE)
            style.outline(panel, arrays["masks"][row] > 0, **PLACE)
        axes[0].set_xlabel(textwrap.fill(classes[row], 22), loc="left")
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
    figure.draw_without_rendering()  # the layout first gives the words their height; then the panels become squares
    panel = grid[0, 0].get_window_extent()
    figure.set_figheight(figure.get_figheight() + len(grid) * (panel.width - panel.height) / style.DPI)
    return figure


def scores(data: Data) -> dict[str, dict[str, Any]]:
    """Return the rows of scores by method and score; empty if no object is known."""
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
        row = [name[0].upper() + name[1:]]
        for one in (found["hit"], found["overlap"]):
            row += [number(one["value"], 2), Measure(one["difference"], one["low"], one["high"]).text(2, sign=True)]
        rows.append((*row, number(found["hit"]["images"], 0)))
    columns = ("Method", "Largest on the object", "Beyond chance", "Overlap", "Beyond chance", "Images")
    return Details("Against the truth (not in the paper)", columns, rows or [(NONE, *[NOTHING] * 5)], open=True)
