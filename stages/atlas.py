"""atlas: every feature map of every layer to walk through: its strongest activations projected, beside the patches.

Reads zfnet's weights, activations/, features/maps.csv and the validation beton; writes reports/atlas/. Costs ten
seconds on two cores with the default parameters.
"""

import numpy as np
import pandas as pd
from einops import rearrange

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.convnet.receptive_field import receptive_field
from zfpipe.device import device
from zfpipe.probes import projections
from zfpipe.report import atlas, style

BATCH = 64
MAPS = 32
"""Maps that are projected before they are drawn: so many projections are in memory."""


def main() -> None:
    settings = params.load()
    crop = settings.crops.size
    rows = pd.read_parquet(paths.STRONGEST)
    statistics = pd.read_parquet(paths.ACTIVATIONS / "maps.parquet")
    statistics = statistics.merge(pd.read_csv(paths.FEATURES / "maps.csv"), on=["layer", "map"])
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes, images = batches.classes, batches.images
        crops = projections.gather(batches, set(rows["id"].tolist()))
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    layers = []
    for layer in sorted(set(rows["layer"].tolist())):
        part = rows.query("layer == @layer").sort_values(by=["map", "rank"])
        field = receptive_field(network.architecture, layer).size
        drawing = style.Drawing(settings.figures.percentile, crop)
        sheets = atlas.Sheets(paths.ATLAS, layer, field, int(np.max(part["rank"])) + 1, drawing)
        for first in range(0, len(set(part["map"])), MAPS):
            group = pd.DataFrame(part[part["map"].between(first, first + MAPS - 1)])
            found = projections.project(network, crops, group, inputs, settings.deconvnet)[layer]
            for place, (_, top) in enumerate(found.rows.groupby("map")):
                sheets.add(top, found.projections[place], found.patches[place])
        sheets.flush()
        layers.append(atlas.described(sheets, part, statistics.query("layer == @layer")))
    filters = rearrange(network.conv(1).weight.detach().cpu(), "map rgb y x -> map y x rgb").numpy()
    atlas.write_page(paths.ATLAS, layers, classes, atlas.write_filters(paths.ATLAS, filters), images)


if __name__ == "__main__":
    stage.run(main)
