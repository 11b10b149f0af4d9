"""evaluate RUN: compute the ten-crop errors of a trained network (section 5.1).

Reads its weights and the betons. Writes evaluations/RUN.parquet (probabilities on the validation images) and
metrics/RUN.json. Costs about ten seconds on two cores with the default parameters.
ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths, stage, store
from zfpipe.evaluation import predictions, ten_crop
from zfpipe.network import weights
from zfpipe.network.architecture import variant
from zfpipe.network.numerics import device
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction


def main() -> None:
    settings = params.load()
    run = stage.argument("a run", settings.runs)
    network = weights.load(paths.weights(run), device(), variant(settings, run).origin)
    inputs = MeanSubtraction.read(paths.MEAN, settings.crops.size, device(), network.input_mean)
    train_images = settings.evaluation.train_images
    found = ten_crop.run(network, inputs, paths.beton("train"), paths.beton("val"), train_images)
    if found is not None:
        predicted, metrics = found
        predictions.write(predicted, paths.evaluation(run))
        store.save(paths.metrics(run), {"run": run, **metrics})
        stage.log(f"{run}: validation error {metrics['val_top1']:.1%} top-1, {metrics['val_top5']:.1%} top-5")
        if metrics["val_top1"] > metrics["chance_top1"]:
            stage.log("more than by always saying the commonest class: are the labels in the network's own order?")


if __name__ == "__main__":
    distributed.run(main)
