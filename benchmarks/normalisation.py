"""Time ours beside `nn.LocalResponseNorm`, at the sizes of the default run and of the paper.

`python -m benchmarks.normalisation`. Before the timing, values and gradients must be equal to 1e-5. Memory is
channels-last, which is faster for both. Forward alone is timed, and forward with backward.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import harness
from zfpipe import params
from zfpipe.network.convnet import band, normalised
from zfpipe.network.numerics import device

SIZES = {"default": (32, ((24, 23), (64, 5))), "paper": (16, ((96, 55), (256, 13)))}
"""Number of images; number of maps and their side after the pooling of layers 1 and 2."""


def forward(norm: Callable[[Tensor], Tensor], several: list[Tensor]) -> float:
    """Run both layers forward; return the number of images."""
    with torch.inference_mode():
        for maps in several:
            norm(maps)
    return len(several[0])


def both(norm: Callable[[Tensor], Tensor], several: list[Tensor]) -> float:
    """Run both layers forward and backward; return the number of images."""
    for maps in several:
        torch.autograd.grad(norm(maps), maps, torch.ones_like(maps))
    return len(several[0])


def main() -> None:
    harness.arguments(__doc__)
    chosen = params.load().model.norm
    torchs = nn.LocalResponseNorm(chosen.size, chosen.alpha, chosen.beta, chosen.k)
    where = device()
    generator = torch.Generator().manual_seed(0)
    bands = {maps: band(maps, chosen.size).to(where) for _, layers in SIZES.values() for maps, _ in layers}

    def ours(maps: Tensor) -> Tensor:
        return normalised(maps, bands[maps.shape[1]], chosen)

    for name, (images, layers) in SIZES.items():
        several = []
        for count, side in layers:
            maps = torch.randn(images, count, side, side, generator=generator).relu() * 8
            several.append(maps.to(where).to(memory_format=torch.channels_last).requires_grad_())
            found = [
                (made := way(several[-1]), torch.autograd.grad(made.sum(), several[-1])[0]) for way in (ours, torchs)
            ]
            for mine, theirs in zip(*found, strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
        for what, way in (("forward", forward), ("forward and backward", both)):
            ways = {"ours": partial(way, ours, several), "nn.LocalResponseNorm": partial(way, torchs, several)}
            harness.compare(f"normalisation, {name}, {what}", "images", ways)


if __name__ == "__main__":
    main()
