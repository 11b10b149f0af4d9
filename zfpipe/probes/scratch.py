"""Training from random weights on another set alone, beside which transfer is measured (section 5.2)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from zfpipe import stage
from zfpipe.beton.sidecar import verify
from zfpipe.network import weights
from zfpipe.network.architecture import check_shapes
from zfpipe.params import Network, Target, Training, Transfer
from zfpipe.probes.folds import accuracy, folds
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.training.resume import ResumeState
from zfpipe.training.run import fit

COLUMNS = ("per_class", "fold", "accuracy", "test_images")


def labels(beton: Path, crop: int) -> np.ndarray:
    """The label of each image, by its place in the beton."""
    with Batches(beton, batch=1, crop=crop, crops="centre") as batches:
        return batches.labels


def run(
    beton: Path,
    inputs: MeanSubtraction,
    model: Network,
    training: Training,
    target: Target,
    settings: Transfer,
    parent: Path,
) -> tuple[pd.DataFrame, list[ResumeState]]:
    """Train on each number of images of each fold; accuracies, and the states of training, kept below `parent`.

    No fold is trained where the network was trained elsewhere.
    """
    sidecar, crop = verify(beton), inputs.mean_crops.shape[1]
    check_shapes("model", model, crop)
    training = training.model_copy(update={"epochs": settings.scratch_epochs, "batch": settings.scratch_batch})
    determines = {
        "model": model.model_dump(),
        "training": training.model_dump(),
        "transfer": settings.model_dump(),
        "crop": crop,
        "beton": sidecar.sha256,
    }
    rows, states = [], []
    several = 0 if model.trained_elsewhere else settings.scratch_folds
    for number, one in enumerate(folds(labels(beton, crop), target, settings, several)):
        for count in target.per_class:
            resume = ResumeState.of(parent, inputs.device, **determines, per_class=count, fold=number)
            found = train(beton, (one.train[count], one.test), inputs, model, training, number, resume)
            stage.log(f"{count} images per class, fold {number + 1}: accuracy {found:.1%}")
            rows.append({"per_class": count, "fold": number, "accuracy": found, "test_images": len(one.test)})
            states.append(resume)
    return pd.DataFrame(rows, columns=COLUMNS), states


def train(
    beton: Path,
    rows: tuple[np.ndarray, np.ndarray],
    inputs: MeanSubtraction,
    model: Network,
    training: Training,
    seed: int,
    resume: ResumeState,
) -> float:
    """Trains on some places of a beton; the mean accuracy of the classes on the centre crops of others.

    The learning rate stays as it is: there are no images to validate on but those to test on.
    """
    crop, (images, tests) = inputs.mean_crops.shape[1], rows
    with Batches(beton, batch=training.batch, crop=crop, crops="centre", rows=tests) as test:
        network = weights.untrained(model, crop, len(test.classes), seed)
        radius = model.renorm_radius
        fit(network, inputs, beton, radius, seed, training, resume, rows=images, log=lambda line: None)
        network.eval()
        with torch.inference_mode():
            scores = [network(inputs(one)).float().cpu().numpy() for one in test.epoch()]
        return accuracy(np.concatenate(scores), test.labels)


def forget(states: Sequence[ResumeState]) -> None:
    """Delete the states of runs that have completed."""
    for state in states:
        state.remove()
