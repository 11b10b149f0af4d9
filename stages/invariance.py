"""invariance: measure features and output while images move, grow and turn (Fig. 5, section 4).

Reads zfnet's weights, its evaluation and the validation beton. Writes invariance/: invariance.parquet (every image),
untrained.parquet (the same with random weights), summary.csv (median and quartiles) and, for the images to show,
shown.csv and shown.npy (image, transformation, step, y, x, 3). Costs a minute on two cores with default parameters.
"""

from zfpipe import params, paths, stage, store
from zfpipe.evaluation import predictions
from zfpipe.probes import invariance
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    predicted = predictions.read(paths.evaluation("zfnet"))
    store.save_all(paths.INVARIANCE, invariance.run(Subject.open(settings), predicted, settings.invariance))


if __name__ == "__main__":
    stage.run(main)
