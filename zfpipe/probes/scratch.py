"""Training from random weights on another set alone, beside which transfer is measured (section 5.2)."""

from pathlib import Path

import numpy as np
import torch

from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.convnet.network import initialise
from zfpipe.params import Network, Training
from zfpipe.probes.transfer import accuracy
from zfpipe.training.loop import Trainer
from zfpipe.training.resume import ResumeState


def labels(beton: Path, crop: int) -> np.ndarray:
    """The label of each image, by its place in the beton."""
    with Batches(beton, batch=1, crop=crop, crops="centre") as batches:
        return batches.labels


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
    crop, batch, (images, tests) = inputs.mean_crops.shape[1], training.batch, rows
    with (
        Batches(beton, batch=batch, crop=crop, crops="one of ten", shuffle=True, seed=seed, rows=images) as shuffled,
        Batches(beton, batch=batch, crop=crop, crops="centre", rows=tests) as test,
    ):
        network = weights.build(model, crop, len(test.classes))
        initialise(network, model.init.scheme, model.init.std, seed, model.init.first)
        trainer = Trainer(network, inputs, training, model.renorm_radius, seed, inputs.device)
        trainer.fit(shuffled, None, resume, log=lambda line: None)
        network.eval()
        with torch.inference_mode():
            scores = [network(inputs(one)).float().cpu().numpy() for one in test.epoch()]
        return accuracy(np.concatenate(scores), test.labels)
