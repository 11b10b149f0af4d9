"""Compare an epoch of a compiled network with a plain one: the whole network is one graph, forward and backward.

A last batch of another size is filled up and takes the same graph. The backend traces, but generates no code.
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
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.training.loop import Trainer

graphs, sizes = [], []


def backend(graph: torch.fx.GraphModule, examples: list[Any]) -> Any:
    """Count the graphs, and note the number of images in each run of a graph."""
    graphs.append(graph)
    compiled = aot_eager(graph, examples)

    def run(*given: Any) -> Any:
        sizes.extend(len(value) for value in given if value.shape[1:] == (3, CROP, CROP))
        return compiled(*given)

    return run


def main() -> None:
    torch.compile = partial(torch.compile, backend=backend, fullgraph=True)
    inputs = MeanSubtraction(torch.full((10, CROP, CROP, 3), 118.0), torch.device("cpu"))
    trainers = []
    for _ in range(2):
        network = weights.build(merged(SETTINGS.model, {"width": 0.05, "dropout": 0.0}), CROP, 25)
        initialise(network, "he", 0.01, 0)
        trainers.append(Trainer(network, inputs, SETTINGS.training, 0.1, 0, torch.device("cpu")))
    compiled, plain = trainers
    plain.__dict__["compiled"] = plain.parallel
    with Batches(Path(sys.argv[1]), batch=32, crop=CROP, crops="one of ten", shuffle=True) as batches:
        losses = [trainer.train_epoch(batches, 1)[0] for trainer in trainers]
    assert len(graphs) == 2, "there must be a graph of the network, and one that renormalises all layers"
    assert sizes == [32] * 5, "the sizes of four batches, the last of 4 images, and of one to compile with"
    assert abs(losses[0] - losses[1]) <= 1e-5 * losses[1], losses
    for one, other in zip(compiled.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    main()
