"""Measure in one script all that several processes measure together, so that tests start processes only once."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from stages import activations, evaluate
from zfpipe import params, paths, store
from zfpipe.evaluation import predictions
from zfpipe.index.images import SCHEMA
from zfpipe.network import weights
from zfpipe.network.numerics import device
from zfpipe.probes import evolution, harvest, occlusion
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.subject.subject import Subject

HIDDEN = "hidden"
"""The folder for the results of `occlusion`."""


def index(path: Path, split: str, side: int) -> None:
    """Write an index of a hundred images with a box in each, at another place in every image."""
    rows = pd.DataFrame({name: [None] * 100 for name in SCHEMA.names})
    left, top = (np.random.default_rng(number).integers(4, side - 30, 100) for number in (0, 1))
    rows = rows.assign(id=range(100), split=split, width=side, height=side, label=0)
    rows = rows.assign(**{"class": "any", "path": "none", "box_x0": left, "box_y0": top})
    rows = rows.assign(box_x1=left + 22.0, box_y1=top + 22.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.save(path, rows)


def main() -> None:
    evaluate.main()
    activations.main()
    settings, run = params.load(), sys.argv[1]
    network = weights.load(paths.weights(run), device())
    inputs = MeanSubtraction.read(paths.MEAN, settings.crops.size, device(), network.input_mean)
    harvest.run(network, paths.beton("val"), inputs, Path("harvest.parquet"), Path("aside"))
    files = evolution.snapshots(paths.snapshots(run), elsewhere=False)
    subjects = {epoch: Subject.open(settings, "train", path) for epoch, path in files.items()}
    store.save_all(paths.EVOLUTION, evolution.run(subjects, settings.evolution, settings.deconvnet))
    distributed.shared(lambda: index(paths.INDEX, "val", settings.betons.resize))
    predicted = predictions.read(paths.evaluation(run))
    strongest = store.load(paths.STRONGEST)
    store.save_all(
        Path(HIDDEN),
        occlusion.run(Subject.open(settings), predicted, strongest, settings.occlusion, settings.deconvnet) or {},
    )


if __name__ == "__main__":
    distributed.run(main)
