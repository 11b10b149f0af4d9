"""atlas: draw web pages of every feature map and the strongest units, with projections and image patches.

Reads zfnet's weights, activations/, features/maps.csv, names/, units/ and the validation beton. Writes reports/atlas/.
Costs fifteen seconds on two cores with the default parameters.
"""

from typing import Any

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.report.atlas import walk
from zfpipe.report.engine.style import Drawing
from zfpipe.subject.subject import Subject


def written() -> dict[str, Any]:
    settings = params.load()
    statistics = store.load(paths.ACTIVATIONS / "maps.parquet")
    for folder in (paths.FEATURES, paths.NAMES):
        if not unavailable.reason(folder):
            statistics = statistics.merge(store.load(folder / "maps.csv"), on=["layer", "map"])
    maps = walk.Found(store.load(paths.STRONGEST), statistics)
    dense = walk.Found(store.load(paths.UNITS / "strongest.parquet"), store.load(paths.UNITS / "units.parquet"))
    drawing = Drawing(settings.figures.percentile, settings.crops.size)
    walk.write(Subject.open(settings), maps, dense, settings.deconvnet, drawing, paths.ATLAS)
    return {}


def main() -> None:
    unavailable.save(paths.ATLAS, written)


if __name__ == "__main__":
    stage.run(main)
