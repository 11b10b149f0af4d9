"""Train from random weights on another data set alone, to compare with transfer (section 5.2)."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch

from zfpipe import stage
from zfpipe.beton.sidecar import verify
from zfpipe.network import weights
from zfpipe.network.architecture import check_shapes
from zfpipe.network.convnet import ConvNet
from zfpipe.probes.folds import Rows, accuracy, folds, thirds
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.sections import Network, Target, Training, Transfer
from zfpipe.training.resume import ResumeState
from zfpipe.training.run import fit
from zfpipe.values import Section, whole

RATES = (1.0, 0.5)
"""The learning rates to choose from, as multiples of training's initial rate."""
TAIL = 0.25
"""Training ends with this share of its epochs in addition, at the learning rate divided by `anneal`."""
COLUMNS = (
    "per_class", "fold", "accuracy", "test_images", "learning_rate", "epochs", "held_out", "train_loss", "train_error",
)  # fmt: skip


class Settings(Section):
    """Folds, images and epochs of training from scratch (section 5.2)."""

    folds: Annotated[int, whole(2, 100)]
    per_class: Annotated[int, whole(2, 10_000)]
    epochs: Annotated[int, whole(2, 10_000)]
    batch: Annotated[int, whole(1, 65536)]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: epochs at a learning rate, then the tail at lower rates."""

    learning_rate: float
    epochs: int


class Nowhere(ResumeState):
    """A resume state that keeps nothing, for a run that is too short to resume."""

    def __init__(self) -> None:
        """Keep no folder."""

    def load(self) -> None:
        """Find nothing."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class Trial:
    """A network to train from random weights; its methods take the images of the beton and the recipe."""

    beton: Path
    inputs: MeanSubtraction
    model: Network
    training: Training
    classes: int
    seed: int
    parent: Path
    determines: dict[str, Any]

    def resume(self, rows: Rows, recipe: Recipe) -> ResumeState:
        """Return the state of training on these images by a recipe, before the tail."""
        about = {"rows": digest(rows), "seed": self.seed, "recipe": asdict(recipe)}
        return ResumeState.of(self.parent, self.inputs.device, **self.determines, **about)

    def trained(self, rows: Rows, recipe: Recipe, shorter: Recipe | None = None) -> tuple[ConvNet, dict[str, float]]:
        """Return the network after training by a recipe, and the last row of its history.

        If `shorter`, a finished recipe at the same rate, is given, resume from its state before the tail.
        """
        crop, resume = self.inputs.mean_crops.shape[1], self.resume(rows, recipe)
        if shorter is not None and resume.load() is None:
            state = self.resume(rows, shorter).load()
            assert state is not None
            resume.save(state)
        network = weights.untrained(self.model, crop, self.classes, self.seed)
        self.fit(network, rows, recipe, resume)
        # Crops and order depend only on seed and epoch: another seed makes them differ from the first epochs'
        rate, epochs = recipe.learning_rate / self.training.anneal, max(1, round(TAIL * recipe.epochs))
        history = self.fit(network, rows, Recipe(rate, epochs), Nowhere(), self.seed + 2**31)
        return network.eval(), history[-1]

    def fit(
        self, network: ConvNet, rows: Rows, recipe: Recipe, resume: ResumeState, seed: int | None = None
    ) -> list[dict[str, float]]:
        """Train a network in place for some epochs at one rate; return its history."""
        constant = {"learning_rate": recipe.learning_rate, "epochs": recipe.epochs, "anneal_at": ()}
        training = self.training.model_copy(update=constant)
        seed = self.seed if seed is None else seed
        radius = self.model.renorm_radius
        return fit(network, self.inputs, self.beton, radius, seed, training, resume, rows=rows, log=lambda line: None)

    @torch.inference_mode()
    def accuracy(self, network: ConvNet, rows: Rows) -> float:
        """Return the classes' mean accuracy on the centre crops of some images."""
        crop = self.inputs.mean_crops.shape[1]
        with Batches(self.beton, batch=self.training.batch, crop=crop, crops="centre", rows=rows) as batches:
            scores = [network(self.inputs(one)).float().cpu().numpy() for one in batches.epoch()]
            return accuracy(np.concatenate(scores), batches.labels)


def labels(beton: Path, crop: int) -> Rows:
    """Return the label of each image, by its place in the beton."""
    with Batches(beton, batch=1, crop=crop, crops="centre") as batches:
        return batches.labels


def digest(values: np.ndarray) -> str:
    """Return a hash of some numbers, which helps to identify a run."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def counts(target: Target, settings: Settings) -> list[int]:
    """Return the numbers of training images per class: the paper's numbers up to the limit, or else the smallest."""
    return [count for count in target.per_class if count <= settings.per_class] or [min(target.per_class)]


def run(
    beton: Path,
    inputs: MeanSubtraction,
    model: Network,
    training: Training,
    target: Target,
    transfer: Transfer,
    settings: Settings,
    parent: Path,
) -> tuple[pd.DataFrame, list[ResumeState]]:
    """Train on each number of images of each fold; return accuracies, and the training states saved below `parent`.

    No fold is trained if the network was not trained here.
    """
    sidecar, crop = verify(beton), inputs.mean_crops.shape[1]
    check_shapes("model", model, crop)
    training = training.model_copy(update={"batch": settings.batch})
    constant = training.model_dump(exclude={"epochs", "learning_rate"})  # these two are chosen by `chosen`
    determines = {"model": model.model_dump(), "training": constant, "crop": crop, "beton": sidecar.sha256}
    determines |= {"mean": digest(inputs.mean_crops.cpu().numpy())}
    every, rows, states = labels(beton, crop), [], []
    several = 0 if model.origin else settings.folds
    for number, one in enumerate(folds(every, target, transfer, several)):
        trial = Trial(beton, inputs, model, training, len(sidecar.classes), number, parent, determines)
        for count in counts(target, settings):
            found, resumes = measured(trial, one.train[count], one.test, every, settings.epochs)
            how = f"{found['epochs']} epochs at {found['learning_rate']:g} and the tail"
            loss = f"training loss {found['train_loss']:.3f}"
            stage.log(f"{count} images per class, fold {number + 1}: accuracy {found['accuracy']:.1%}; {how}; {loss}")
            rows.append({"per_class": count, "fold": number, "test_images": len(one.test), **found})
            states += resumes
    return pd.DataFrame(rows, columns=COLUMNS), states


def measured(
    trial: Trial, train: Rows, test: Rows, every: Rows, epochs: int
) -> tuple[dict[str, float], list[ResumeState]]:
    """Return the test accuracy of a network that was trained by the recipe chosen on the training images.

    `every` holds the labels of all images.
    """
    recipe, held_out, states = chosen(trial, train, every, epochs)
    network, last = trial.trained(train, recipe)
    found = {
        "accuracy": trial.accuracy(network, test),
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "held_out": held_out,
        "train_loss": last["train_loss"],
        "train_error": last["train_error"],
    }
    return found, [*states, trial.resume(train, recipe)]


def chosen(trial: Trial, train: Rows, every: Rows, epochs: int) -> tuple[Recipe, float, list[ResumeState]]:
    """Return the recipe that does best on a held-out third of each class's training images, its accuracy and states.

    The rates are compared after half of the epochs. The better rate is trained for all epochs, and both lengths are
    compared. Ties go to the larger rate, which is the rate of section 3's training, and to the longer training.
    """
    part = thirds(every[train], trial.seed)
    rest, held = train[part != 0], train[part == 0]

    def held_out(recipe: Recipe, shorter: Recipe | None = None) -> tuple[float, Recipe]:
        network, _ = trial.trained(rest, recipe, shorter)
        return trial.accuracy(network, held), recipe

    rates = [share * trial.training.learning_rate for share in RATES]
    halves = [held_out(Recipe(rate, epochs // 2)) for rate in rates]
    half = max(halves, key=lambda one: (one[0], one[1].learning_rate))
    whole = held_out(Recipe(half[1].learning_rate, epochs), half[1])
    best = max(half, whole, key=lambda one: (one[0], one[1].epochs))
    return best[1], best[0], [trial.resume(rest, recipe) for _, recipe in (*halves, whole)]


def forget(states: Sequence[ResumeState]) -> None:
    """Delete the states of runs that have completed."""
    for state in states:
        state.remove()
