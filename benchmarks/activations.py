"""Time finding the maxima of every feature map, and writing the table of the maxima.

Finding the maxima is compared with the plain forward pass of the default network. Writing is compared for made-up
maxima of the paper's 1,376 maps, half of them zero, as in rectified maps: ours goes through the disk map by map, and
the other way sorts one table in memory. Before the timing, the maxima must be PyTorch's own, and both tables must be
the same.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks import harness
from zfpipe import params
from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.probes import activations

IMAGES, FULL, BATCH, NINE = 4_000, 20_000, 512, 9
MAPS = {1: (96, 110), 2: (256, 26), 3: (384, 13), 4: (384, 13), 5: (256, 13)}
"""Maps of a layer, and their width in pixels."""


def made_up(images: int) -> Iterator[tuple[range, dict[int, np.ndarray]]]:
    """Yield batches of ids, and the maxima of every layer `(image, map)`."""
    generator = np.random.default_rng(0)
    base = {}
    for layer, (maps, width) in MAPS.items():
        entries = base[layer] = np.empty((BATCH, maps), activations.ENTRY)
        entries["activation"] = np.maximum(generator.standard_normal(entries.shape, np.float32), 0)
        entries["place"] = generator.integers(0, width * width, entries.shape)
    for number, first in enumerate(range(0, images, BATCH)):
        ids = range(first, min(first + BATCH, images))
        yield ids, {layer: np.roll(entries, number, (0, 1))[: len(ids)] for layer, entries in base.items()}


def streamed(images: int, folder: Path) -> float:
    """Time the steps of `measure` and `write`."""
    with tempfile.TemporaryDirectory(dir=folder) as spooled:
        spool = activations.Spool(Path(spooled))
        for ids, layers in made_up(images):
            spool.ids += ids
            spool.labels += [0] * len(ids)
            for layer, entries in layers.items():
                spool.add(layer, MAPS[layer][1], entries)
            if len(spool.ids) - sum(spool.chunks) >= activations.CHUNK:
                spool.flush()
        spool.flush()
        activations.write([spool], ["none"], NINE, folder)
    return images


def in_memory(images: int, folder: Path) -> float:
    """Keep all rows in memory, sort them, and write them in one piece."""
    parts = []
    for ids, layers in made_up(images):
        for layer, entries in layers.items():
            y, x = np.divmod(entries["place"].ravel(), MAPS[layer][1])
            columns = {
                "layer": np.full(entries.size, layer, np.int8),
                "map": np.tile(np.arange(entries.shape[1], dtype=np.int16), len(ids)),
                "id": np.repeat(np.array(ids, np.int64), entries.shape[1]),
                "activation": entries["activation"].ravel(),
                "y": y.astype(np.int16),
                "x": x.astype(np.int16),
            }
            parts.append(pd.DataFrame(columns))
    table = pd.concat(parts).sort_values(["layer", "map", "id"], ignore_index=True)
    table.to_parquet(folder / "plain.parquet", index=False, compression="zstd")
    return images


def check_maxima(network: ConvNet, images: torch.Tensor) -> None:
    """Fail if a map's maximum differs from PyTorch's, or is not at its place."""
    with torch.inference_mode():
        for trace in network.trace(images, switches=False):
            found, flat = activations.maxima(trace).entries(), trace.rectified.flatten(2)
            there = flat.gather(2, torch.from_numpy(found["place"].astype(np.int64))[..., None]).squeeze(2)
            for value in (found["activation"], there.numpy()):
                harness.agree(f"activations, layer {trace.layer}", value, flat.amax(2).numpy())


def check_tables(folder: Path) -> None:
    """Fail if the two tables differ."""
    ours, plain = (pd.read_parquet(folder / name) for name in ("val.parquet", "plain.parquet"))
    harness.agree("activations, tables", ours, plain)


def forward_passes(network: ConvNet, images: torch.Tensor) -> None:
    """Compare measuring with the plain forward pass."""

    def measured() -> float:
        for trace in network.trace(images, switches=False):
            activations.maxima(trace).entries()
        return len(images)

    def plain() -> float:
        network(images)
        return len(images)

    ways = {"ours, maxima of every map": measured, "plain forward pass": plain}
    with torch.inference_mode():
        harness.compare("activations", "images", ways, rounds=15)


def main() -> None:
    given = harness.arguments(__doc__)
    settings = params.load()
    network = weights.build(settings.model, settings.crops.size, 25)
    initialise(network, "he", 0.01, 0)
    network = network.to(memory_format=torch.channels_last).eval()
    images = (torch.randn(64, 3, settings.crops.size, settings.crops.size) * 60).to(memory_format=torch.channels_last)
    check_maxima(network, images)
    forward_passes(network, images)
    count = FULL if given.full else IMAGES
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ways: dict[str, harness.Way] = {
            "ours, through the disk": partial(streamed, count, folder),
            "one table in memory": partial(in_memory, count, folder),
        }
        for way in ways.values():
            way()
        check_tables(folder)
        harness.compare("activations, written", "images", ways, rounds=3)


if __name__ == "__main__":
    main()
