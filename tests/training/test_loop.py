"""Test training against a slow twin of one step, and that a killed and resumed run ends with the same bytes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.conftest import CROP, SETTINGS
from tests.imports import ROOT
from zfpipe.errors import UserError
from zfpipe.evaluation import ten_crop
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.probes import activations
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.training.loop import Trainer, compiles, dropout_seed
from zfpipe.training.resume import ResumeState
from zfpipe.training.run import within

MODEL = merged(SETTINGS.model, {"width": 0.05})


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


def test_a_resumed_run_is_the_same_to_the_bit(
    beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In these three epochs the learning rate falls twice."""
    whole, killed, resumed = (trainer(inputs) for _ in range(3))
    for subject in (whole, resumed):
        monkeypatch.setattr(subject, "measure", lambda batches: (1.0, 0.5))
    history = fit(whole, beton, tmp_path / "whole")
    assert [row["learning_rate"] for row in history] == pytest.approx([0.005, 0.0005, 0.00005])

    def dies_in_the_third_epoch(batches: Batches) -> tuple[float, float]:
        if len(killed.history) == 2:
            raise KeyboardInterrupt
        return 1.0, 0.5

    monkeypatch.setattr(killed, "measure", dies_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, beton, tmp_path / "killed")
    assert fit(resumed, beton, tmp_path / "killed") == history
    assert len(history) == 3
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_snapshots_follow_the_budget() -> None:
    """Fig. 4 ends with the trained network, however short the training is."""
    asked = (1, 2, 5, 10, 20, 40)
    assert [within(asked, epochs) for epochs in (70, 10, 7, 1)] == [asked, (1, 2, 5, 10), (1, 2, 5, 7), (1,)]
    assert within((), 7) == ()


def test_other_units_drop_out_in_every_epoch_run_and_process() -> None:
    seeds = {dropout_seed(seed, epoch, rank) for seed in range(3) for epoch in range(1, 5) for rank in range(3)}
    assert len(seeds) == 3 * 4 * 3
    assert dropout_seed(1, 2, 0) == dropout_seed(1, 2, 0)


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
    """Write out momentum, a noticeable weight decay and renormalisation, without dropout."""
    subject = trainer(inputs, weight_decay=0.5)
    twin = trainer(inputs).network
    for network in (subject.network, twin):
        assert isinstance(network, ConvNet)
        network.dropout = 0.0
        for name, bias in network.named_parameters():
            if name.endswith("bias"):
                bias.data.fill_(0.1)
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
        max(one.detach().square().mean((1, 2, 3)).max().item() ** 0.5 for one in net.parameters() if one.dim() == 4)
        for net in (clipped.network, free.network)
    ]
    assert largest[0] <= 0.05 * (1 + 1e-6) < largest[1]


def test_divergence_is_one_line_with_what_to_try(beton: Path, inputs: MeanSubtraction, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"training diverged in epoch 1: the loss is .*; try a tenth of training\.learn"
    ):
        fit(trainer(inputs, None, learning_rate=1e6), beton, tmp_path)


def test_the_loop_never_waits_for_the_device(
    beton: Path, inputs: MeanSubtraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On torch's device without data, everything that needs a value on the host fails.

    Only an epoch's totals may need one.
    """
    nowhere, seen = torch.device("meta"), []
    for module in ("zfpipe.reading.inputs", "zfpipe.training.loop"):
        monkeypatch.setattr(f"{module}.sent", lambda tensor, device: tensor.to(device))
    without = MeanSubtraction(inputs.mean_crops, nowhere)
    monkeypatch.setattr(
        without, "ahead", lambda batches: ((batch, without(batch)) for batch in batches if not seen.append(batch.ids))
    )
    monkeypatch.setattr(distributed, "summed", lambda totals: torch.zeros(2))
    subject = trainer(inputs)
    subject.network.to(nowhere)
    subject.device, subject.inputs = nowhere, without
    subject.optimiser = torch.optim.SGD(subject.network.parameters(), lr=0.1, momentum=0.9)
    with Batches(beton, batch=16, crop=CROP, crops="one of ten", shuffle=True) as batches:
        subject.train_epoch(batches, 1)
        subject.measure(batches)
        assert len(seen) == 2 * len(batches)
    monkeypatch.setattr(ten_crop, "fetched", lambda tensor: lambda: torch.zeros(tensor.shape))
    with Batches(beton, batch=16, crop=CROP, crops="ten") as batches:
        assert len(list(ten_crop.softmaxes(subject.network, batches, without))) == len(batches)
    monkeypatch.setattr(activations.Maxima, "entries", no_more)
    with Batches(beton, batch=16, crop=CROP, crops="centre") as batches, pytest.raises(NoMoreError):
        activations.measure(subject.network, batches, without, activations.Spool(beton.parent))
    assert len(seen) == 4 * len(batches)


class NoMoreError(Exception):
    """Raised where results are fetched from the device, after the loop."""


def no_more(*_: Any) -> None:
    raise NoMoreError


def test_a_compiled_network_is_trained_alike(beton: Path) -> None:
    """Compile in a separate process, since the checks of shapes that run in tests can't be compiled."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.compiled", str(beton)],
        cwd=ROOT,
        env={**os.environ, "ZFPIPE_COMPILE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_without_a_compiler_the_network_is_trained_uncompiled(
    beton: Path, inputs: MeanSubtraction, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    plain, subject = trainer(inputs, batch=16), trainer(inputs, batch=16)
    with Batches(beton, batch=16, crop=CROP, crops="one of ten", shuffle=True) as batches:
        expected = plain.train_epoch(batches, 1)
        monkeypatch.setenv("ZFPIPE_COMPILE", "1")
        assert subject.train_epoch(batches, 1) == expected
    assert capsys.readouterr().out.startswith("the network can't be compiled (")


def test_training_tries_which_algorithms_are_fastest(inputs: MeanSubtraction) -> None:
    torch.backends.cudnn.benchmark = False
    trainer(inputs)
    assert torch.backends.cudnn.benchmark


def test_whether_to_compile_is_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [compiles(torch.device(name)) for name in ("cpu", "cuda")] == [False, True]
    monkeypatch.setenv("ZFPIPE_COMPILE", "0")
    assert not compiles(torch.device("cuda"))
    monkeypatch.setenv("ZFPIPE_COMPILE", "yes")
    with pytest.raises(UserError, match="ZFPIPE_COMPILE = yes; must be 0 or 1"):
        compiles(torch.device("cpu"))


def test_bfloat16_learns_as_float32_does(beton: Path, inputs: MeanSubtraction) -> None:
    """The losses differ in the third digit, and are not the same. The weights are kept in float32."""
    subjects = [trainer(inputs, precision=precision) for precision in ("float32", "bfloat16")]
    with Batches(beton, batch=16, crop=CROP, crops="one of ten", shuffle=True) as batches:
        losses = [[subject.train_epoch(batches, epoch)[0] for epoch in (1, 2, 3)] for subject in subjects]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert losses[1] != losses[0]
    assert all(weight.dtype == torch.float32 for weight in subjects[1].network.parameters())


@pytest.fixture
def cuda_casts() -> Iterator[None]:
    """Make the processor's autocast compute operations in float32 that only CUDA's computes in float32."""
    library = torch.library.Library("aten", "IMPL", "AutocastCPU")

    def in_float32(operation: Callable[..., Tensor], value: Tensor, *rest: Any) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return operation(value.float(), *rest)

    for name, operation in (
        ("rsqrt", torch.rsqrt),
        ("reciprocal", torch.reciprocal),
        ("pow.Tensor_Scalar", torch.pow),
    ):
        library.impl(name, partial(in_float32, operation))
    yield
    library._destroy()


@pytest.mark.usefixtures("cuda_casts")
@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_bfloat16_trains_under_cudas_casts(beton: Path, inputs: MeanSubtraction, tmp_path: Path, beta: float) -> None:
    """The last batch, of 4 instead of 16 images, goes through the uncompiled network."""
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.ones(1, dtype=torch.bfloat16).rsqrt().dtype == torch.float32, "the casts are not CUDA's"
    subject = trainer(inputs, precision="bfloat16", epochs=1)
    network = subject.network
    assert isinstance(network, ConvNet)
    network.norm = network.norm.model_copy(update={"beta": beta})
    [row] = fit(subject, beton, tmp_path)
    assert row["train_loss"] < 4


def test_training_stops_if_the_networks_of_processes_differ(
    beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPUs of two kinds round differently, and each process would train another network."""
    digests = iter(["one", "one", "one", "another"])
    monkeypatch.setattr(distributed, "part", lambda: (0, 2))
    monkeypatch.setattr(distributed, "summed", lambda values: values)
    monkeypatch.setattr(distributed, "parallel", lambda network, device: network)

    def gather(box: list[str], own: str) -> None:
        box[:] = [next(digests), next(digests)]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    monkeypatch.setattr(torch.distributed, "broadcast_object_list", lambda box: None)
    with pytest.raises(UserError, match="the processes' networks differ after epoch 2"):
        fit(trainer(inputs), beton, tmp_path)
