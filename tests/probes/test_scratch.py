"""Test training on another set alone: its images, the choice of its recipe, and the continuation after a kill."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import CROP, SETTINGS
from zfpipe.network.architecture import merged
from zfpipe.probes import scratch
from zfpipe.probes.folds import thirds
from zfpipe.probes.scratch import Recipe, Trial
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.training.loop import Trainer
from zfpipe.training.resume import ResumeState

MODEL = merged(SETTINGS.model, {"width": 0.05})
TRAINING = SETTINGS.training.model_copy(update={"batch": 16})


@pytest.fixture
def every(beton: Path) -> np.ndarray:
    return scratch.labels(beton, CROP)


@pytest.fixture
def rows(every: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return three images of each of the 25 classes to train on, and one image of each to test on."""
    places = np.argsort(every, kind="stable").reshape(25, 4)
    return places[:, :3].ravel(), places[:, 3]


@pytest.fixture
def trial(beton: Path, inputs: MeanSubtraction, tmp_path: Path) -> Callable[..., Trial]:
    def made(folder: str = "one", seen: MeanSubtraction = inputs) -> Trial:
        return Trial(beton, seen, MODEL, TRAINING, 25, 0, tmp_path / folder, {"run": 1})

    return made


def test_test_images_change_only_the_accuracy(
    trial: Callable[..., Trial], every: np.ndarray, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    train, test = rows
    assert np.bincount(every[train]).tolist() == [3] * 25, "labels must follow the order of the beton"
    found, states = scratch.measured(trial(), train, test, every, 2)
    assert 0 <= found["accuracy"] <= 1 and len(states) == len(scratch.RATES) + 2
    other, _ = scratch.measured(trial("other"), train, test[:5], every, 2)
    assert {**other, "accuracy": 0} == {**found, "accuracy": 0}


def test_rate_and_epochs_are_chosen_on_a_third_of_the_training_images(
    trial: Callable[..., Trial],
    every: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (train, _), rate, seen = rows, TRAINING.learning_rate, []
    scores: dict[Recipe, float] = {}

    def trained(self: Trial, rows: np.ndarray, recipe: Recipe, shorter: Recipe | None = None) -> tuple[Any, Any]:
        assert shorter == (Recipe(recipe.learning_rate, 2) if recipe.epochs == 4 else None)
        seen.append(rows)
        return recipe, {}

    def accuracy(self: Trial, network: Any, rows: np.ndarray) -> float:
        assert sorted([*rows, *seen[-1]]) == sorted(train) and set(every[rows]) == set(every), (
            "the held-out third must have all classes and no test image"
        )
        assert np.array_equal(rows, train[thirds(every[train], 0) == 0])
        return scores[network]

    monkeypatch.setattr(Trial, "trained", trained)
    monkeypatch.setattr(Trial, "accuracy", accuracy)

    def best(first: float, second: float, whole: float) -> tuple[float, int]:
        """Return the chosen rate and epochs for these accuracies.

        The first two are after half of the epochs at the higher and at the lower rate, the third after all epochs.
        """
        high, low = Recipe(rate, 2), Recipe(rate / 2, 2)
        scores.update({high: first, low: second, replace(high, epochs=4): whole, replace(low, epochs=4): whole})
        seen.clear()
        recipe, held_out, states = scratch.chosen(trial(), train, every, 4)
        assert len(seen) == len(states) == 3 and held_out == scores[recipe]
        return recipe.learning_rate / rate, recipe.epochs

    assert best(0.2, 0.3, 0.5) == (0.5, 4)
    assert best(0.3, 0.2, 0.5) == (1, 4)
    assert best(0.3, 0.2, 0.1) == (1, 2)
    assert best(0.3, 0.3, 0.3) == (1, 4), "among equal accuracies, training's rate and more epochs must win"


def test_the_tail_is_annealed_and_a_longer_recipe_continues_a_shorter_one(
    trial: Callable[..., Trial], rows: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    (train, _), rates, epochs, straight = rows, [], Trainer.train_epoch, trial("straight")
    alone, _ = straight.trained(train, Recipe(0.01, 4))

    def train_epoch(trainer: Trainer, batches: Any, epoch: int) -> tuple[float, float]:
        rates.append((epoch, trainer.schedule.learning_rate))
        return epochs(trainer, batches, epoch)

    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    split = trial("split")
    split.trained(train, Recipe(0.01, 2))
    network, _ = split.trained(train, Recipe(0.01, 4), Recipe(0.01, 2))
    low = 0.01 / TRAINING.anneal
    assert rates == [(1, 0.01), (2, 0.01), (1, low), (3, 0.01), (4, 0.01), (1, low)], (
        "the tail adds a quarter of the epochs, at least one"
    )
    for name, weight in alone.named_parameters():
        assert weight.equal(network.get_parameter(name))


def test_a_killed_training_continues_to_the_same_result(
    trial: Callable[..., Trial],
    every: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is killed during the choice, and again in the training that counts."""
    whole, _ = scratch.measured(trial("whole"), *rows, every, 2)
    epochs, count = Trainer.train_epoch, 0
    for stop in (4, 5):
        with monkeypatch.context() as patch:

            def killed(trainer: Trainer, batches: Any, epoch: int, stop: int = stop) -> tuple[float, float]:
                nonlocal count
                count += 1
                if count == stop:
                    raise KeyboardInterrupt
                return epochs(trainer, batches, epoch)

            count = 0
            patch.setattr(Trainer, "train_epoch", killed)
            with pytest.raises(KeyboardInterrupt):
                scratch.measured(trial("killed"), *rows, every, 2)
    assert scratch.measured(trial("killed"), *rows, every, 2)[0] == whole


def run(beton: Path, inputs: MeanSubtraction, folder: Path, per_class: int) -> tuple[pd.DataFrame, list[Any]]:
    target = SETTINGS.targets.caltech101.model_copy(update={"per_class": (2, 3)})
    settings = SETTINGS.own(scratch.Settings).model_copy(update={"folds": 2, "epochs": 2, "per_class": per_class})
    return scratch.run(beton, inputs, MODEL, TRAINING, target, SETTINGS.transfer, settings, folder)


def test_images_per_class_have_a_limit_and_each_mean_has_its_own_state(
    beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, states = run(beton, inputs, tmp_path, 2)
    assert table[["per_class", "fold"]].to_numpy().tolist() == [[2, 0], [2, 1]]
    assert list(table.columns) == list(scratch.COLUMNS) and table.notna().all(axis=None)
    other = MeanSubtraction(inputs.mean_crops + 1, inputs.device)
    with monkeypatch.context() as patch:
        patch.setattr(Trial, "fit", lambda self, *rest: [{"train_loss": 0.0, "train_error": 0.0}])
        patch.setattr(ResumeState, "load", lambda self: {})
        _, others = run(beton, other, tmp_path, 2)
    assert not {one.folder for one in states} & {one.folder for one in others}
    scratch.forget(states)
    assert not any(one.folder.exists() for one in states)
    target = SETTINGS.targets.caltech101.model_copy(update={"per_class": (20, 30)})
    settings = SETTINGS.own(scratch.Settings)
    assert scratch.counts(target, settings.model_copy(update={"per_class": 25})) == [20]
    assert scratch.counts(target, settings.model_copy(update={"per_class": 30})) == [20, 30]
    assert scratch.counts(target, settings.model_copy(update={"per_class": 15})) == [20], (
        "at least one number must remain"
    )
