"""Compare an epoch of a compiled network in two processes with an uncompiled one: `python -m ... BETON all|one`.

With `one`, only the first process can compile. Then both processes train the uncompiled network, and neither waits for
the other.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch._dynamo.backends.debugging import aot_eager

from tests.conftest import CROP, SETTINGS
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import initialise
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.training.loop import Trainer

BATCH = 33
"""A hundred images leave one image for the last batch, and nothing for the second process."""


def backend(able: bool, graph: torch.fx.GraphModule, examples: list[Any]) -> Any:
    if not able:
        raise RuntimeError("no compiler")
    return aot_eager(graph, examples)


def main() -> None:
    part = distributed.part()
    torch.compile = partial(torch.compile, backend=partial(backend, sys.argv[2] == "all" or distributed.first()))
    inputs = MeanSubtraction(torch.full((10, CROP, CROP, 3), 118.0), torch.device("cpu"))
    settings = SETTINGS.training.model_copy(update={"batch": BATCH})
    trainers = []
    for _ in range(2):
        network = weights.build(merged(SETTINGS.model, {"width": 0.05, "dropout": 0.0}), CROP, 25)
        initialise(network, "he", 0.01, 0)
        trainers.append(Trainer(network, inputs, settings, 0.1, 0, torch.device("cpu")))
    compiled, plain = trainers
    plain.__dict__["compiled"] = plain.parallel
    with Batches(Path(sys.argv[1]), batch=BATCH, crop=CROP, crops="one of ten", shuffle=True, part=part) as batches:
        losses = [trainer.train_epoch(batches, 1)[0] for trainer in trainers]
    assert (compiled.compiled is compiled.parallel) == (sys.argv[2] == "one")
    assert abs(losses[0] - losses[1]) <= 1e-5 * losses[1], losses
    for one, other in zip(compiled.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    distributed.run(main)
