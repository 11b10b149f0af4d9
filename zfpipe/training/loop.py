"""Training by stochastic gradient descent, an epoch at a time (section 3)."""

import copy
import hashlib
import math
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.network.numerics import tune
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction, sent
from zfpipe.reading.reader import Batches
from zfpipe.sections import Training
from zfpipe.training.renorm import renormalise
from zfpipe.training.resume import ResumeState
from zfpipe.training.schedule import AnnealingSchedule

HISTORY = ("epoch", "learning_rate", "train_loss", "train_error", "val_loss", "val_error")


class Trainer:
    """Trains one network in place and keeps a row of history for each epoch.

    All random choices (order, crops, dropout) depend only on the seed and the epoch. So a run resumed after any epoch
    gives the same result as an uninterrupted run; on a GPU up to rounding.

    With several processes (`distributed`), each process takes its part of every batch. All processes make the same
    step, equal to that of the whole batch up to rounding. Only the dropped units differ from a single process.
    """

    def __init__(
        self,
        network: ConvNet | Foreign,
        inputs: MeanSubtraction,
        settings: Training,
        renorm_radius: float | None,
        seed: int,
        device: torch.device,
    ):
        rank, processes = distributed.part()
        if settings.batch < processes:
            raise UserError(f"training.batch = {settings.batch}; must be at least {processes}, the number of processes")
        tune()
        self.rank = rank
        self.processes = processes
        self.share = -(-(settings.batch - rank) // processes)
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.parallel = distributed.parallel(self.network, device)
        self.inputs = inputs
        self.settings = settings
        self.renorm_radius = renorm_radius
        self.seed = seed
        self.device = device
        filters = [weight for weight in network.parameters() if weight.requires_grad and weight.dim() > 1]
        convs = network.architecture.convs if isinstance(network, ConvNet) else ()
        self.convs = [network.get_parameter(f"convs.{conv.layer}.weight") for conv in convs]
        self.renormalise = renormalise
        biases = [bias for bias in network.parameters() if bias.requires_grad and bias.dim() == 1]
        self.optimiser = torch.optim.SGD(
            [{"params": filters, "weight_decay": settings.weight_decay}, {"params": biases, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            momentum=settings.momentum,
            fused=True,
        )
        self.schedule = AnnealingSchedule.of(settings, images=0)
        self.history: list[dict[str, float]] = []

    def fit(
        self,
        train: Batches,
        val: Batches | None,
        resume: ResumeState,
        snapshots: Collection[int] = (),
        log: Callable[[str], None] = stage.log,
    ) -> list[dict[str, float]]:
        """Run the remaining epochs, keep the weights of the epochs `snapshots`, and return the whole history.

        Without validation images, no plateau is found: the learning rate is divided only at the latest epochs.
        """
        self.schedule = AnnealingSchedule.of(self.settings, val.images if val is not None else 0)
        state = distributed.shared(resume.load)
        if state is not None:
            self.restore(state)
            log(f"resumed after epoch {len(self.history)} of {self.settings.epochs}")
        for epoch in range(len(self.history) + 1, self.settings.epochs + 1):
            row: dict[str, float] = {"epoch": float(epoch), "learning_rate": self.schedule.learning_rate}
            row["train_loss"], row["train_error"] = self.train_epoch(train, epoch)
            line = (
                f"epoch {epoch}/{self.settings.epochs}: learning rate {row['learning_rate']:g}, "
                f"loss {row['train_loss']:.4f}, error {row['train_error']:.1%}"
            )
            if val is not None:
                row["val_loss"], row["val_error"] = self.measure(val)
                line += f", validation error {row['val_error']:.1%}"
            if not distributed.alike(lambda: hashlib.sha256(weights.serialised(self.network)).hexdigest()):
                raise UserError(
                    f"the processes' networks differ after epoch {epoch}: their GPUs are of different kinds, or one is "
                    "faulty; train with one kind, or with ZFPIPE_PROCESSES=1"
                )
            self.schedule.update(row.get("val_error"))
            self.history.append(row)
            if distributed.first():
                if epoch in snapshots:
                    # Before the state: a state must not claim an epoch whose snapshot is missing
                    resume.keep(epoch, weights.serialised(self.network))
                resume.save(self.state())
            log(line)
        return self.history

    def train_epoch(self, batches: Batches, epoch: int) -> tuple[float, float]:
        """Train on each image once, in one of its ten crops. Return the mean loss and error during training."""
        self.network.train()
        forward = self.compiled
        torch.manual_seed(dropout_seed(self.seed, epoch, self.rank))
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.learning_rate
        totals = torch.zeros(2, device=self.device, dtype=torch.float64)
        for number, (images, labels) in enumerate(self.samples(batches, epoch, f"epoch {epoch}")):
            with self.autocast():
                logits = forward(images)
            loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
            self.optimiser.zero_grad(set_to_none=True)
            # Divided by the size of the whole batch: the gradients are averaged over the processes
            (loss * self.processes / batches.size(number)).backward()
            self.optimiser.step()
            if self.renorm_radius is not None:
                self.renormalise(self.convs, self.renorm_radius)
            with torch.no_grad():
                totals += torch.stack([loss, (logits.argmax(1) != labels).sum()])
        mean_loss, error = (distributed.summed(totals) / batches.images).tolist()
        if not math.isfinite(mean_loss):
            raise UserError(
                f"training diverged in epoch {epoch}: the loss is {mean_loss}; learning rate "
                f"{self.schedule.learning_rate:g}; try a tenth of training.learning_rate, or model.renorm_radius = 0.1"
            )
        return mean_loss, error

    @cached_property
    def compiled(self) -> Callable[[Tensor], Tensor]:
        """The network for training: compiled on a GPU, unless compiling is off or fails in a process."""
        if not compiles(self.device):
            return self.parallel
        side = self.inputs.mean_crops.shape[1]
        images = torch.zeros(self.share, side, side, 3, device=self.device).permute(0, 3, 1, 2)
        compiled, shrunk = torch.compile(self.parallel, dynamic=False), torch.compile(renormalise, dynamic=False)
        failure = None
        try:
            with distributed.alone(self.parallel):  # else the others would wait for a process that fails
                with self.autocast():
                    logits = compiled(images)
                functional.cross_entropy(logits.float(), logits.argmax(1)).backward()
            if self.renorm_radius is not None:
                shrunk(copy.deepcopy(self.convs), self.renorm_radius)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a compiler can raise almost anything; train uncompiled
            failure = type(error).__name__
        self.optimiser.zero_grad(set_to_none=True)
        failures = [name for name in distributed.everywhere(failure) if name]
        if not failures:
            self.renormalise = shrunk
            return partial(filled_up, compiled, self.share)
        if distributed.first():
            stage.log(f"the network can't be compiled ({failures[0]}): it is trained uncompiled, more slowly")
        return self.parallel

    @torch.inference_mode()
    def measure(self, batches: Batches) -> tuple[float, float]:
        """Return the mean loss and error over the centre crops."""
        self.network.eval()
        totals = torch.zeros(2, device=self.device, dtype=torch.float64)
        for images, labels in self.samples(batches, 0, "validation"):
            with self.autocast():
                logits = self.network(images).float()
            loss = functional.cross_entropy(logits, labels, reduction="sum")
            totals += torch.stack([loss, (logits.argmax(1) != labels).sum()])
        mean_loss, error = (distributed.summed(totals) / batches.images).tolist()
        return mean_loss, error

    def samples(
        self, batches: Batches, epoch: int, title: str
    ) -> Iterator[tuple[Float[Tensor, "batch 3 y x"], Tensor]]:
        """Yield images ready for the network, and labels, with a progress bar on a terminal."""
        for batch, images in self.inputs.ahead(distributed.epoch(batches, epoch, title)):
            yield images, sent(batch.labels, self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context for the precision of `training.precision`."""
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def state(self) -> dict[str, Any]:
        """Return everything that is needed to resume after an epoch."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state(),
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule = AnnealingSchedule(**state["schedule"])
        self.history = state["history"]


def filled_up(network: Callable[[Tensor], Tensor], count: int, images: Float[Tensor, "batch 3 y x"]) -> Tensor:
    """Return the logits of at most `count` images from a network compiled for exactly `count`.

    Zeros replace the missing images. The logits of the zeros are dropped, so the zeros change neither loss nor
    gradient.
    """
    if len(images) == count:
        return network(images)
    whole = images.new_zeros(count, *images.shape[1:]).to(memory_format=torch.channels_last)
    whole[: len(images)] = images
    return network(whole)[: len(images)]


def compiles(device: torch.device) -> bool:
    """Return True if training compiles the network: by default on a GPU only, or as ZFPIPE_COMPILE says.

    On a CPU, compiling takes longer than it saves.
    """
    text = os.environ.get("ZFPIPE_COMPILE", str(int(device.type == "cuda")))
    if text not in ("0", "1"):
        raise UserError(f"ZFPIPE_COMPILE = {text}; must be 0 or 1")
    return text == "1"


def dropout_seed(seed: int, epoch: int, rank: int) -> int:
    """Return a process's seed of dropout for an epoch. Rank 0 has the seed of a run with one process."""
    if rank == 0:
        return seed * 1_000_003 + epoch
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])
