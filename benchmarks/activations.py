"""The table of activations at ImageNet's size: written in a stream, its size on disk, and how fast it answers.

50,000 images x 1,376 maps of made-up maxima, half of them zero, as rectified maps have them. Prints seconds to write,
peak memory, sizes, and the median milliseconds for the nine strongest of one map (drawn at random) and of all maps.
Then the cost of measuring: the maxima of every map beside the plain forward pass, medians in one process.
"""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from zfpipe import params
from zfpipe.convnet import weights
from zfpipe.convnet.network import initialise
from zfpipe.probes import activations

IMAGES, BATCH, NINE = 50_000, 512, 9
MAPS = {1: (96, 110), 2: (256, 26), 3: (384, 13), 4: (384, 13), 5: (256, 13)}


def median(way: Callable[[int], object], rounds: int) -> float:
    """Median seconds of a call with 0, 1, 2..."""
    times = []
    for number in range(rounds):
        start = time.perf_counter()
        way(number)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fill(spool: activations.Spool) -> None:
    """What `measure` does, with random maxima."""
    generator = np.random.default_rng(0)
    for first in range(0, IMAGES, BATCH):
        spool.ids += range(first, min(first + BATCH, IMAGES))
        spool.labels += [0] * (len(spool.ids) - len(spool.labels))
        for layer, (maps, width) in MAPS.items():
            entries = np.empty((len(spool.ids) - first, maps), activations.ENTRY)
            entries["activation"] = np.maximum(generator.standard_normal(entries.shape, np.float32), 0)
            entries["place"] = generator.integers(0, width * width, entries.shape)
            spool.add(layer, width, entries)
        if len(spool.ids) - sum(spool.chunks) >= activations.CHUNK:
            spool.flush()
    spool.flush()


def forward_passes() -> None:
    """Measuring beside the plain forward pass, the default network."""
    settings = params.load()
    network = weights.build(settings.model, settings.crops.size, 25)
    initialise(network, "he", 0.01, 0)
    network = network.to(memory_format=torch.channels_last).eval()
    images = (torch.randn(64, 3, settings.crops.size, settings.crops.size) * 60).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        plain, measured = [], []
        for _ in range(15):
            plain.append(median(lambda _: network(images), 1))
            measured.append(median(lambda _: [*map(activations.maxima, network.trace(images, switches=False))], 1))
    print(f"maxima of every map / plain forward pass: {statistics.median(measured) / statistics.median(plain):.2f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        spool = activations.Spool(folder)
        fill(spool)
        start = time.perf_counter()
        activations.write([spool], ["none"], NINE, folder)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sizes = {name: (folder / f"{name}.parquet").stat().st_size / 1e6 for name in ("val", "strongest", "maps")}
        print(f"written in {seconds:.0f} s after the last image, peak memory {peak:.0f} MiB")
        print(", ".join(f"{name}.parquet {size:.1f} MB" for name, size in sizes.items()))
        drawn = np.random.default_rng(1).integers(0, 384, 50)
        one = median(lambda number: activations.strongest(folder / "val.parquet", 3, int(drawn[number]), NINE), 50)
        every = median(lambda _: pd.read_parquet(folder / "strongest.parquet"), 10)
        print(f"nine strongest of one map {1000 * one:.1f} ms, of all 1,376 {1000 * every:.0f} ms")
    forward_passes()


if __name__ == "__main__":
    main()
