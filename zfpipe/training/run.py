"""Train the network of a run on a beton (section 3)."""

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zfpipe import stage
from zfpipe.beton.sidecar import checksum, verify
from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.network.numerics import device
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.sections import Network, Run, Training
from zfpipe.training.loop import Trainer
from zfpipe.training.resident import batches
from zfpipe.training.resume import ResumeState


@dataclass(frozen=True)
class Trained:
    """A network after training, its history with one row for each epoch, and the saved state."""

    network: ConvNet | Foreign
    history: list[dict[str, float]]
    resume: ResumeState


def train(
    run: Run,
    model: Network,
    training: Training,
    crop: int,
    betons: tuple[Path, Path],
    mean: Path,
    pretrained: Path,
    parent: Path,
) -> Trained:
    """Train a run's network on the first beton and validate on the second. The state is saved below `parent`.

    With a network from elsewhere, in `pretrained`, only a new softmax is trained; nothing is trained if the network
    keeps its own softmax.
    """
    sidecars = distributed.shared(lambda: [verify(beton) for beton in betons])  # one process reads the betons for all
    network = weights.started(model, crop, len(sidecars[0].classes), run.seed, pretrained, device())
    inputs = MeanSubtraction.read(mean, crop, device(), network.input_mean)
    radius, snapshots, rest = model.renorm_radius, within(run.snapshots, training.epochs), training
    if model.origin:
        radius, snapshots = None, ()
        if not any(weight.requires_grad for weight in network.parameters()):
            rest = training.model_copy(update={"epochs": 0})
    resume = ResumeState.of(
        parent,
        inputs.device,
        start=checksum(pretrained / weights.FILE) if model.origin else None,
        model=model.model_dump(),
        training=training.model_dump(),
        crop=crop,
        seed=run.seed,
        snapshots=snapshots,
        betons=[sidecar.sha256 for sidecar in sidecars],
    )
    history = fit(network, inputs, betons[0], radius, run.seed, rest, resume, val=betons[1], snapshots=snapshots)
    return Trained(network, history, resume)


def within(snapshots: Collection[int], epochs: int) -> tuple[int, ...]:
    """Return the epochs whose weights are kept. Numbers beyond the last epoch count as the last epoch."""
    return tuple(sorted({min(epoch, epochs) for epoch in snapshots}))


def fit(
    network: ConvNet | Foreign,
    inputs: MeanSubtraction,
    beton: Path,
    radius: float | None,
    seed: int,
    training: Training,
    resume: ResumeState,
    *,
    rows: np.ndarray | None = None,
    val: Path | None = None,
    snapshots: Collection[int] = (),
    log: Callable[[str], None] = stage.log,
) -> list[dict[str, float]]:
    """Train a network in place on a beton, or on the images at `rows`, and return the history.

    `radius` is for the filter renormalisation. Without validation images, no plateau is found: the learning rate is
    divided only at the latest epochs.
    """
    batch, crop, part = training.batch, network.architecture.crop, distributed.part()
    trainer = Trainer(network, inputs, training, radius, seed, inputs.device)
    with ExitStack() as opened:
        shared = {"batch": batch, "crop": crop, "part": part}
        images = batches(beton, inputs.device, crops="one of ten", shuffle=True, seed=seed, rows=rows, **shared)
        opened.enter_context(images)
        unseen = val and opened.enter_context(batches(val, inputs.device, crops="centre", **shared))
        return trainer.fit(images, unseen, resume, snapshots, log)
