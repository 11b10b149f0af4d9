"""figure N: one figure of the paper, drawn from what an earlier stage measured.

Reads principle/ (figure 1), projections/ (2), shapes/ (3), evolution/ (4), invariance/ (5), filters/ (6), occlusion/
(7), attribution/ (7b), correspondence/ (8) or transfer/caltech256/ (9); writes reports/figures/figN.png. Costs a few
seconds.
"""

import importlib

from zfpipe import params, paths, stage, unavailable
from zfpipe.report.plotting import style

NUMBERS = ("1", "2", "3", "4", "5", "6", "7", "7b", "8", "9")


def main() -> None:
    settings = params.load()
    number = stage.argument("a figure", NUMBERS)
    module = importlib.import_module(f"zfpipe.report.figures.fig{number}")
    reason = unavailable.reason(module.FOLDER)
    if reason is None:
        figure = module.draw(module.FOLDER, style.Drawing(settings.figures.percentile, settings.crops.size))
    else:
        figure = style.notice(f"Figure {number} is not available: {reason}.")
    style.save(figure, paths.figure(number))


if __name__ == "__main__":
    stage.run(main)
