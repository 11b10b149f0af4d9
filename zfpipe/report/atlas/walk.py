"""The atlas of a network: every feature map of every layer, projected and laid out."""

from pathlib import Path

import numpy as np
import pandas as pd
from einops import rearrange

from zfpipe.deconvnet.receptive_field import receptive_field
from zfpipe.params import Deconvnet
from zfpipe.probes import projections
from zfpipe.report.atlas import sheets
from zfpipe.report.plotting import style
from zfpipe.subject.subject import Subject

MAPS = 32
"""Maps that are projected before they are drawn: so many projections are in memory."""


def write(
    subject: Subject,
    strongest: pd.DataFrame,
    statistics: pd.DataFrame,
    settings: Deconvnet,
    drawing: style.Drawing,
    folder: Path,
) -> None:
    """Project the strongest activations of every map, and write their sheets and the page to walk through them."""
    crops = subject.images(set(strongest["id"].tolist()))
    layers = []
    for layer in sorted(set(strongest["layer"].tolist())):
        part = strongest.query("layer == @layer").sort_values(by=["map", "rank"])
        field = receptive_field(subject.network.architecture, layer).size
        drawn = sheets.Sheets(folder, layer, field, int(np.max(part["rank"])) + 1, drawing)
        for first in range(0, len(set(part["map"])), MAPS):
            group = pd.DataFrame(part[part["map"].between(first, first + MAPS - 1)])
            found = projections.project(subject.network, crops, group, subject.inputs, settings)[layer]
            for place, (_, top) in enumerate(found.rows.groupby("map")):
                drawn.add(top, found.projections[place], found.patches[place])
        drawn.flush()
        layers.append(sheets.described(drawn, part, statistics.query("layer == @layer")))
    filters = rearrange(subject.network.conv(1).weight.detach().cpu(), "map rgb y x -> map y x rgb").numpy()
    with subject.batches() as batches:
        images = batches.images
    sheets.write_page(folder, layers, subject.classes, sheets.write_filters(folder, filters), images)
