"""Training: a slow twin of one step, and a run that is killed and resumed ends with the same bytes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.conftest import CROP, SETTINGS
from zfpipe import params
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet import weights
from zfpipe.convnet.network import initialise
from zfpipe.errors import UserError
from zfpipe.training.loop import Trainer
from zfpipe.training.resume import ResumeState

MODEL = params.merged(SETTINGS.model, {"width": 0.05})


def trainer(inputs: MeanSubtraction, radius: float | None = 0.1, **changes: Any) -> Trainer:
    settings = SETTINGS.training.model_copy(update={"epochs": 3, **changes})
    network = weights.build(MODEL, CROP, 25)
    initialise(network, "he", 0.01, 0)
    return Trainer(network, inputs, settings, radius, 0, torch.device("cpu"))


def fit(subject: Trainer, beton: Path, folder: Path) -> list[dict[str, float]]:
    with (
        Batches(beton, batch=16, crop=CROP, crops="one of ten", shuffle=True) as train,
        Batches(beton, batch=16, crop=CROP, crops="centre") as val,
    ):
        return subject.fit(train, val, ResumeState(folder, {"test": 1}))


def test_resumed_is_the_same_to_the_bit(
    beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(inputs)
    history = fit(whole, beton, tmp_path / "whole")
    killed = trainer(inputs)
    measure = killed.measure

    def dies_in_the_third_epoch(batches: Batches) -> tuple[float, float]:
        if len(killed.history) == 2:
            raise KeyboardInterrupt
        return measure(batches)

    monkeypatch.setattr(killed, "measure", dies_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, beton, tmp_path / "killed")
    resumed = trainer(inputs)
    assert fit(resumed, beton, tmp_path / "killed") == history
    assert len(history) == 3
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_changed_run_or_damaged_state_starts_afresh(tmp_path: Path) -> None:
    state = ResumeState(tmp_path, {"learning_rate": 0.01})
    state.save({"history": [1]})
    assert ResumeState(tmp_path, {"learning_rate": 0.01}).load() == {"history": [1]}
    assert ResumeState(tmp_path, {"learning_rate": 0.02}).load() is None
    state.file.write_bytes(state.file.read_bytes()[:50])
    assert state.load() is None
    state.remove()
    assert not state.folder.exists()


def test_one_epoch_equals_plain_gradient_descent(beton: Path, inputs: MeanSubtraction) -> None:
    """Momentum, weight decay and renormalisation written out, without dropout."""
    subject = trainer(inputs)
    subject.network.dropout = 0.0
    twin = trainer(inputs).network
    twin.dropout = 0.0
    settings = subject.settings
    velocity = {name: torch.zeros_like(weight) for name, weight in twin.named_parameters()}
    with Batches(beton, batch=16, crop=CROP, crops="one of ten", shuffle=True) as batches:
        loss, _ = subject.train_epoch(batches, 1)
        total = 0.0
        for batch in batches.epoch(1):
            mean = functional.cross_entropy(twin(inputs(batch)), batch.labels)
            total += mean.item() * len(batch.labels)
            gradients = torch.autograd.grad(mean, list(twin.parameters()))
            with torch.no_grad():
                for (name, weight), gradient in zip(twin.named_parameters(), gradients, strict=True):
                    decay = settings.weight_decay if name.endswith("weight") else 0.0
                    velocity[name] = settings.momentum * velocity[name] + gradient + decay * weight
                    weight -= settings.learning_rate * velocity[name]
                    if weight.dim() == 4:
                        for one in weight:
                            one *= min(1.0, 0.1 / one.square().mean().sqrt().item())
    assert loss == pytest.approx(total / 100, rel=1e-4)
    for one, other in zip(subject.network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_filters_stay_within_the_radius_only_when_asked(beton: Path, inputs: MeanSubtraction, tmp_path: Path) -> None:
    clipped, free = trainer(inputs, 0.05, epochs=1), trainer(inputs, None, epochs=1)
    for number, subject in enumerate((clipped, free)):
        fit(subject, beton, tmp_path / str(number))
    largest = [
        max(conv.get_parameter("weight").square().mean((1, 2, 3)).max().item() ** 0.5 for conv in net.convs.values())
        for net in (clipped.network, free.network)
    ]
    assert largest[0] <= 0.05 * (1 + 1e-6) < largest[1]


def test_divergence_is_one_line_with_what_to_try(beton: Path, inputs: MeanSubtraction, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"training diverged in epoch 1: the loss is .*; try a tenth of training\.learn"
    ):
        fit(trainer(inputs, None, learning_rate=1e6), beton, tmp_path)
