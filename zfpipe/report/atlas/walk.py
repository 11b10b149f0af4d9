"""Make the atlas of a network: project every feature map and the strongest units, and lay them out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from einops import rearrange

from zfpipe.deconvnet.deconvnet import refusal
from zfpipe.deconvnet.windows import window
from zfpipe.network.foreign import Foreign
from zfpipe.probes import projections, units
from zfpipe.report.atlas import sheets
from zfpipe.report.engine.style import Drawing
from zfpipe.sections import Deconvnet
from zfpipe.subject.subject import Subject
from zfpipe.unavailable import UnavailableError

MAPS = 32
"""Number of maps that are projected together, which bounds the memory."""


@dataclass(frozen=True)
class Found:
    """Measurements of layers: rows of strongest activations, and a row of statistics for each map or unit."""

    strongest: pd.DataFrame
    statistics: pd.DataFrame

    def layers(self, number: str) -> Iterator[tuple[int, pd.DataFrame, pd.DataFrame]]:
        """Yield each layer with its rows, sorted by column `number` (map or unit) and rank, and its statistics."""
        for layer in sorted(set(self.strongest["layer"].tolist())):
            rows = self.strongest.query("layer == @layer").sort_values(by=[number, "rank"])
            yield layer, rows, self.statistics.query("layer == @layer")


def write(subject: Subject, maps: Found, dense: Found, settings: Deconvnet, drawing: Drawing, folder: Path) -> None:
    """Project the strongest activations of maps and units, and write their sheets and the page to browse them.

    Raise UnavailableError for a network that can't be projected.
    """
    if reason := refusal(subject.network, settings):
        raise UnavailableError(reason)
    layers = [
        *convolutions(subject, maps, settings, drawing, folder),
        *fully_connected(subject, dense, settings, drawing, folder),
    ]
    filters = []
    if not isinstance(subject.network, Foreign):
        weight = rearrange(subject.network.conv(1).weight.detach().cpu(), "map rgb y x -> map y x rgb").numpy()
        filters = sheets.write_filters(folder, weight)
    with subject.batches() as batches:
        images = batches.images
    sheets.write_page(folder, layers, subject.classes, filters, images)


def convolutions(
    subject: Subject, found: Found, settings: Deconvnet, drawing: Drawing, folder: Path
) -> Iterator[dict[str, Any]]:
    """Write the sheets of the convolution layers; yield the page's data on each layer."""
    crops = subject.images(set(found.strongest["id"].tolist()))
    foreign = subject.network.architecture.convs if isinstance(subject.network, Foreign) else ()
    names = {conv.layer: {"name": conv.name} for conv in foreign}
    for layer, rows, statistics in found.layers("map"):
        field = window(subject.network, layer).size
        drawn = sheets.Sheets(folder, layer, field, int(np.max(rows["rank"])) + 1, drawing)
        for first in range(0, len(set(rows["map"])), MAPS):
            group = pd.DataFrame(rows[rows["map"].between(first, first + MAPS - 1)])
            done = projections.project(subject.network, crops, group, subject.inputs, settings)[layer]
            for place, (_, top) in enumerate(done.rows.groupby("map")):
                drawn.add(top, done.projections[place], done.patches[place])
        drawn.flush()
        yield sheets.described(drawn, rows, statistics) | names.get(layer, {})


def fully_connected(
    subject: Subject, found: Found, settings: Deconvnet, drawing: Drawing, folder: Path
) -> Iterator[dict[str, Any]]:
    """Do the same for fully connected layers, whose units see the whole crop; the paper does not show these layers."""
    for layer, rows, statistics in found.layers("unit"):
        rows = rows.assign(map=rows["unit"], x0=0, y0=0, x1=subject.crop, y1=subject.crop)
        crops = subject.images(set(rows["id"].tolist()))
        drawn = sheets.Sheets(folder, layer, subject.crop, int(np.max(rows["rank"])) + 1, drawing)
        for _, top in rows.groupby("unit"):
            batch = crops.batch(top["id"].tolist())
            chosen = torch.tensor(top["unit"].tolist(), device=subject.inputs.device)
            pixels, _ = units.project(subject.network, subject.inputs(batch), layer, chosen, settings)
            drawn.add(top, rearrange(pixels, "rank rgb y x -> rank y x rgb").cpu().numpy(), batch.images.numpy())
        drawn.flush()
        shown = pd.DataFrame(statistics[statistics["unit"].isin(rows["unit"])]).rename(columns={"unit": "map"})
        of_layer = {"kind": shown["kind"].iloc[0], "of": len(statistics), "units": sorted(shown["map"].tolist())}
        yield sheets.described(drawn, rows, shown) | of_layer
