"""invariance: features and output while images move, grow and turn (Fig. 5, section 4).

Reads zfnet's weights, its evaluation and the validation beton; writes invariance/: invariance.parquet (every image),
summary.csv (median and quartiles) and, of the images to show, shown.csv and shown.npy (image, transformation, step, y,
x, 3). Costs half a minute on two cores with the default parameters.
"""

import numpy as np
import pandas as pd

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.evaluation import predictions as evaluated
from zfpipe.probes import invariance, projections, sample

BATCH = 64


def main() -> None:
    settings = params.load()
    chosen, crop = settings.invariance, settings.crops.size
    predictions = evaluated.read(paths.evaluation("zfnet"))
    order = sample.shuffled(predictions, chosen.seed)
    shown = sample.recognised(predictions, order, chosen.shown)
    wanted = list(dict.fromkeys([*shown, *order]))[: max(chosen.images, len(shown))]
    with Batches(paths.beton("val"), batch=BATCH, crop=settings.betons.resize, crops="centre") as batches:
        classes = batches.classes
        whole = projections.gather(batches, set(wanted))
    images = whole.images[[whole.position[image] for image in wanted]].numpy()
    labels = whole.labels[[whole.position[image] for image in wanted]].tolist()
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    table = invariance.measure(network, images, labels, wanted, inputs, chosen)
    examples = [
        [
            [
                invariance.transformed(image, kind, amount, crop, chosen.border)
                for amount in invariance.examples(several)
            ]
            for kind, several in invariance.amounts(chosen, crop).items()
        ]
        for image in images[: len(shown)]
    ]
    names = pd.DataFrame({"id": shown, "class": [classes[label] for label in labels[: len(shown)]]})
    with stage.whole(paths.INVARIANCE / "invariance.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    for name, rows in (("summary", invariance.summary(table)), ("shown", names)):
        with stage.whole(paths.INVARIANCE / f"{name}.csv") as temporary:
            rows.to_csv(temporary, index=False, float_format="%.6g")
    with stage.whole(paths.INVARIANCE / "shown.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.array(examples, np.uint8))


if __name__ == "__main__":
    stage.run(main)
