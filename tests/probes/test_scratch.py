"""Training on another set alone: what it sees, and that it goes on where it was killed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import CROP, SETTINGS
from zfpipe.network.architecture import merged
from zfpipe.probes import scratch
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.training.loop import Trainer
from zfpipe.training.resume import ResumeState

MODEL = merged(SETTINGS.model, {"width": 0.05})
TRAINING = SETTINGS.training.model_copy(update={"epochs": 3, "batch": 16})


def run(beton: Path, inputs: MeanSubtraction, tests: np.ndarray, folder: Path) -> tuple[float, list[dict[str, float]]]:
    resume = ResumeState(folder, {"run": 1})
    found = scratch.train(beton, (np.arange(40), tests), inputs, MODEL, TRAINING, 0, resume)
    state: Any = resume.load()
    return found, state["history"]


def test_test_images_are_measured_and_nothing_else(beton: Path, inputs: MeanSubtraction, tmp_path: Path) -> None:
    labels = scratch.labels(beton, CROP)
    assert np.bincount(labels).tolist() == [4] * 25, "by the place in the beton"
    found, history = run(beton, inputs, np.arange(40, 100), tmp_path / "one")
    assert 0 <= found <= 1 and len(history) == 3
    _, other = run(beton, inputs, np.arange(40, 60), tmp_path / "other")
    assert other == history


def test_killed_it_goes_on_to_the_same_result(
    beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(beton, inputs, np.arange(40, 100), tmp_path / "whole")
    with monkeypatch.context() as patch:
        epochs = Trainer.train_epoch

        def killed(trainer: Trainer, batches: Any, epoch: int) -> tuple[float, float]:
            if epoch == 3:
                raise KeyboardInterrupt
            return epochs(trainer, batches, epoch)

        patch.setattr(Trainer, "train_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            run(beton, inputs, np.arange(40, 100), tmp_path / "killed")
    assert run(beton, inputs, np.arange(40, 100), tmp_path / "killed") == whole
