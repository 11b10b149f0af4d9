"""figure N: draw one figure of the paper from an earlier stage's measurements.

Reads the folder that its module in zfpipe/report/artefacts/ names. Writes reports/figures/figN.png. Costs seconds.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report.engine import artefact, style


def main() -> None:
    settings = params.load()
    number = stage.argument("a figure", artefact.numbers("fig"))
    module = artefact.module(f"fig{number}")
    data = module.ARTEFACT.data()
    with style.context():
        if data.absent is None:
            figure = module.draw(data, style.Drawing(settings.figures.percentile, settings.crops.size))
        else:
            figure = style.notice(f"Figure {number} is not available: {data.absent}.")
        store.save(paths.figure(number), style.png(figure))


if __name__ == "__main__":
    stage.run(main)
