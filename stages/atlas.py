"""atlas: every feature map of every layer to walk through: its strongest activations projected, beside the patches.

Reads zfnet's weights, activations/, features/maps.csv and the validation beton; writes reports/atlas/. Costs ten
seconds on two cores with the default parameters.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report.atlas import walk
from zfpipe.report.plotting import style
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    statistics = store.load(paths.ACTIVATIONS / "maps.parquet")
    statistics = statistics.merge(store.load(paths.FEATURES / "maps.csv"), on=["layer", "map"])
    drawing = style.Drawing(settings.figures.percentile, settings.crops.size)
    strongest = store.load(paths.STRONGEST)
    walk.write(Subject.open(settings), strongest, statistics, settings.deconvnet, drawing, paths.ATLAS)


if __name__ == "__main__":
    stage.run(main)
