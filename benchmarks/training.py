"""Time training: ours beside the same network written naively, and torchvision's AlexNet for orientation.

`python -m benchmarks.training [CROP WIDTH BATCH | --full]`: by default `model` of params.yaml with its crop and batch;
with `--full`, the paper's network, 224 1 128. Ours is the trainer's own epoch over batches in memory, including the
subtraction of the mean. Ours runs in float32, and in bfloat16 on a GPU or on a processor that computes in bfloat16. The
naive way is eager, NCHW, with nn.LocalResponseNorm, plain SGD and `loss.item()` at each step. The naive way runs in its
own process, since the allocator's thresholds, which ours sets, hold for a whole process.

Before the timing, the losses of both must be equal without dropout at each of the first steps. They may differ by 1e-3,
since a unit within rounding of zero can pass in one way and not in the other, and the effect grows.
"""

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Generator, Sequence
from functools import partial
from multiprocessing.connection import Connection

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import alexnet

from benchmarks import harness
from zfpipe import params
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.network.numerics import device
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch, Batches
from zfpipe.sections import Training
from zfpipe.training.loop import Trainer
from zfpipe.training.renorm import renormalise

STEPS, CLASSES = 8, 25


class Kept(Batches):
    """Hold random batches in memory."""

    def __init__(self, batch: int, crop: int, count: int = STEPS):  # pyright: ignore[reportMissingSuperCall]
        generator = torch.Generator().manual_seed(0)
        draw = partial(torch.randint, generator=generator)
        self.batch, self.rows, self.part = batch, torch.arange(count * batch).numpy(), (0, 1)
        self.several = [
            Batch(
                draw(0, 256, (batch, crop, crop, 3), dtype=torch.uint8),
                draw(0, CLASSES, (batch,)),
                torch.arange(batch),
                draw(0, 10, (batch,)),
            )
            for _ in range(count)
        ]

    def epoch(self, epoch: int = 0) -> Generator[Batch, None, None]:
        """Yield the same batches in each epoch."""
        yield from self.several

    def only(self, number: int) -> "Kept":
        """Return an epoch of a single batch."""
        one = Kept(self.batch, 1, 0)
        one.several, one.rows = [self.several[number]], self.rows[: self.batch]
        return one


class Setting:
    """Hold what all ways share: network, batches, mean."""

    def __init__(self, crop: int, width: float, batch: int):
        settings = params.load()
        self.model = merged(settings.model, {"width": width})
        self.training: Training = settings.training.model_copy(update={"batch": batch})
        self.crop = crop
        self.batches = Kept(batch, crop)
        self.mean = torch.rand(10, crop, crop, 3, generator=torch.Generator().manual_seed(1)) * 255

    def network(self, dropout: float) -> ConvNet:
        """Return the network before its first step."""
        network = weights.build(merged(self.model, {"dropout": dropout}), self.crop, CLASSES)
        initialise(network, "he", 0.01, 0)
        return network

    def trainer(self, precision: str = "float32", dropout: float | None = None) -> Trainer:
        """Return our trainer."""
        network = self.network(self.model.dropout if dropout is None else dropout)
        training = self.training.model_copy(update={"precision": precision})
        inputs = MeanSubtraction(self.mean, device())
        return Trainer(network, inputs, training, self.model.renorm_radius, 0, device())


def naive(network: ConvNet) -> nn.Sequential:
    """Return the paper's network as most people write it, with the weights of `network`."""
    layers: list[nn.Module] = []
    for conv in network.architecture.convs:
        layers += [nn.Conv2d(conv.maps_in, conv.maps, conv.filter_size, conv.stride, conv.padding), nn.ReLU()]
        norm, alpha = network.norm, network.norm.alpha / network.input_scale**2
        pool = [nn.MaxPool2d(conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)] if conv.pool else []
        normalise = [nn.LocalResponseNorm(norm.size, alpha, norm.beta, norm.k)] if conv.normed else []
        layers += [*normalise, *pool] if norm.before_pool else [*pool, *normalise]
    layers.append(nn.Flatten())
    for dense in network.architecture.denses:
        layers.append(nn.Linear(dense.units_in, dense.units))
        if dense.kind == "hidden":
            layers += [nn.ReLU(), nn.Dropout(network.dropout)]
    written = nn.Sequential(*layers)
    for target, source in zip(written.parameters(), network.parameters(), strict=True):
        target.data.copy_(source.data)
    return written


def trained(network: nn.Module, setting: Setting, scale: float, radius: float | None) -> Generator[float, None, None]:
    """Train plainly in float32, and yield the loss of each step."""
    where = torch.device(os.environ.get("ZFPIPE_DEVICE", "cpu"))  # `device` would set the allocator's thresholds
    network.to(where).train()
    weights_alone = [weight for weight in network.parameters() if weight.dim() > 1]
    biases = [weight for weight in network.parameters() if weight.dim() == 1]
    optimiser = torch.optim.SGD(
        [{"params": weights_alone, "weight_decay": setting.training.weight_decay}, {"params": biases}],
        lr=setting.training.learning_rate,
        momentum=setting.training.momentum,
    )
    mean = setting.mean.permute(0, 3, 1, 2).contiguous().to(where)
    while True:
        for batch in setting.batches.epoch():
            assert batch.crops is not None
            images = batch.images.to(where).permute(0, 3, 1, 2).contiguous().float()
            images = (images - mean[batch.crops.to(where)]) * scale
            loss = functional.cross_entropy(network(images), batch.labels.to(where))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            for layer in network.modules():
                if radius is not None and isinstance(layer, nn.Conv2d):
                    renormalise([layer.weight], radius)
            yield loss.item()


def apart(pipe: Connection, crop: int, width: float, batch: int) -> None:
    """Train as many steps of a way as `pipe` asks for, in a separate process, and send their losses."""
    setting = Setting(crop, width, batch)
    scale, radius = setting.model.input_scale, setting.model.renorm_radius
    ways = {
        "equal": trained(naive(setting.network(0.0)), setting, scale, radius),
        "naive": trained(naive(setting.network(setting.model.dropout)), setting, scale, radius),
        "AlexNet": trained(alexnet(num_classes=CLASSES), setting, scale, None),
    }
    while (asked := pipe.recv()) is not None:
        way, count = asked
        pipe.send([next(ways[way]) for _ in range(count)])


def check(setting: Setting, pipe: Connection, steps: int = 4) -> float:
    """Return the largest relative difference of the losses of the first steps. Fail if it exceeds 1e-3."""
    trainer = setting.trainer(dropout=0.0)
    ours = [trainer.train_epoch(setting.batches.only(number), number)[0] for number in range(steps)]
    pipe.send(("equal", steps))
    theirs = pipe.recv()
    difference = max(abs(mine / other - 1) for mine, other in zip(ours, theirs, strict=True))
    assert difference <= 1e-3, (ours, theirs)
    return difference


def rate(setting: Setting, precision: str) -> float:
    """Return the images a second that ours trains alone: the median of five epochs, after an unmeasured one."""
    trainer, seconds = setting.trainer(precision), []
    for _ in range(6):
        start = time.perf_counter()
        mine(setting, trainer)
        harness.synchronise()
        seconds.append(time.perf_counter() - start)
    return setting.batches.images / statistics.median(seconds[1:])


def mine(setting: Setting, trainer: Trainer) -> float:
    """Run an epoch of ours; return its number of images."""
    trainer.train_epoch(setting.batches, 1)
    return setting.batches.images


def compare(setting: Setting, precisions: Sequence[str], rounds: int = 5) -> None:
    """Check that the losses are equal, and compare the rates: ours in the first precision beside all others."""
    crop, width, batch = setting.crop, setting.model.width, setting.batches.batch
    pipe, end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=apart, args=(end, crop, width, batch), daemon=True)
    process.start()
    difference = check(setting, pipe)
    print(f"losses of the first steps differ from the naive ones by at most {difference:.0e}")

    def theirs(way: str, steps: int) -> float:
        pipe.send((way, steps))
        pipe.recv()
        return steps * batch

    ways = {f"ours, {precision}": partial(mine, setting, setting.trainer(precision)) for precision in precisions}
    ways["the same network, naively, float32"] = partial(theirs, "naive", STEPS)
    ways["torchvision's AlexNet, full width, float32"] = partial(theirs, "AlexNet", 2)
    harness.compare(f"training, {crop} pixels, width {width:g}, batch {batch}", "images", ways, rounds)
    pipe.send(None)
    process.join()


def main() -> None:
    settings = params.load()
    given = ["224", "1", "128"] if sys.argv[1:] == ["--full"] else sys.argv[1:]
    chosen = given or [settings.crops.size, settings.model.width, settings.training.batch]
    crop, width, batch = (kind(word) for kind, word in zip((int, float, int), chosen, strict=True))
    bfloat16 = device().type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    compare(Setting(int(crop), width, int(batch)), ["float32", "bfloat16"] if bfloat16 else ["float32"])


if __name__ == "__main__":
    main()
