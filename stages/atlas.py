"""atlas: every feature map and the strongest units above to walk through: projected, beside what they saw.

Reads zfnet's weights, activations/, features/maps.csv, names/, units/ and the validation beton; writes reports/atlas/.
Costs fifteen seconds on two cores with the default parameters.
"""

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.report.atlas import walk
from zfpipe.report.engine.style import Drawing
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    statistics = store.load(paths.ACTIVATIONS / "maps.parquet")
    statistics = statistics.merge(store.load(paths.FEATURES / "maps.csv"), on=["layer", "map"])
    if not unavailable.reason(paths.NAMES):
        statistics = statistics.merge(store.load(paths.NAMES / "maps.csv"), on=["layer", "map"])
    maps = walk.Found(store.load(paths.STRONGEST), statistics)
    dense = walk.Found(store.load(paths.UNITS / "strongest.parquet"), store.load(paths.UNITS / "units.parquet"))
    drawing = Drawing(settings.figures.percentile, settings.crops.size)
    walk.write(Subject.open(settings), maps, dense, settings.deconvnet, drawing, paths.ATLAS)


if __name__ == "__main__":
    stage.run(main)
