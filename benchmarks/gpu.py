"""Measure training on a GPU: images a second, share of the card's speed, memory, hours for the paper's 70 epochs.

`ZFPIPE_DEVICE=cuda python -m benchmarks.gpu [CROP WIDTH BATCH ...]`; the default 224 1 128 1024 is the paper's network
with two batch sizes. First, measure the rate of a bfloat16 matrix product, which the share refers to. Then, for each
batch size, measure the rates of `benchmarks.training` in bfloat16 and float32, the loader alone from a raw beton in the
page cache, training from this loader, and training with all images held on the device. Last, compare logits in bfloat16
with float32. At toy sizes, a processor shows that the script runs: `python -m benchmarks.gpu 64 0.05 16`.
"""

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import harness, training
from zfpipe.network.architecture import Architecture
from zfpipe.network.numerics import device
from zfpipe.reading.reader import Batches
from zfpipe.sections import Betons
from zfpipe.training.resident import Resident
from zfpipe.writing.writer import write_beton

IMAGENET, EPOCHS = 1_281_167, 70


def operations(architecture: Architecture) -> float:
    """Count floating-point operations of training on an image: two for each multiply-add.

    The backward pass costs twice the forward pass, but only once in layer 1, which needs no gradient of the image.
    """
    convs = [conv.maps * conv.maps_in * (conv.filter_size * conv.map_size) ** 2 for conv in architecture.convs]
    denses = [dense.units_in * dense.units for dense in architecture.denses]
    return 2 * (3 * (sum(convs) + sum(denses)) - convs[0])


def matrix_rate(side: int) -> float:
    """Return the operations a second of a bfloat16 matrix product, in the fastest of eleven products."""
    one = torch.randn(side, side, device=device(), dtype=torch.bfloat16)
    seconds = []
    for _ in range(11):
        start = time.perf_counter()
        torch.mm(one, one)
        harness.synchronise()
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


def write(beton: Path, images: int, side: int) -> None:
    """Write a raw beton of random pixels."""
    rows = pd.DataFrame({"id": range(images), "label": np.arange(images) % training.CLASSES, "class": "", "path": ""})
    rows["class"] = rows["label"].astype(str)
    rows["offset"], rows["size"] = range(images), pd.array([None] * images, pd.Int64Dtype())
    settings = Betons(resize=side, write_mode="raw", jpeg_quality=90, max_rejected=0.0, seed=0)
    write_beton(rows, partial(noise, side), settings, beton)


def noise(side: int, _path: str, seed: int | None, _size: int | None) -> bytes:
    """Return a PNG file of random pixels."""
    import cv2

    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()


def logits(setting: training.Setting) -> float:
    """Return the deviation of bfloat16's logits from float32's on the processor, as a share of the logits' spread."""
    images = torch.cat([batch.images for batch in setting.batches.only(0).epoch()])[:16].permute(0, 3, 1, 2) - 128.0
    network = setting.network(0.0).eval()
    with torch.inference_mode():
        exact = network(images)
        where = device()
        with torch.autocast(where.type, torch.bfloat16):
            found = network.to(where)(images.to(where)).float().cpu()
    return float((found - exact).std() / exact.std())


def from_beton(setting: training.Setting, batch: int, images: int) -> None:
    """Compare the loader alone, training from the loader, and training with all images on the device."""
    with tempfile.TemporaryDirectory() as folder:
        beton = Path(folder) / "noise.beton"
        write(beton, images, setting.crop * 8 // 7)
        trainer = setting.trainer("bfloat16")
        choices: dict[str, Any] = {"batch": batch, "crop": setting.crop, "crops": "one of ten", "shuffle": True}
        loaded = Batches(beton, **choices, cut=device().type == "cpu")
        held = Resident(beton, device(), **choices)

        def alone() -> float:
            return sum(len(one.labels) for one in loaded.epoch(1))

        def trained(batches: Batches) -> float:
            trainer.train_epoch(batches, 1)
            return batches.images

        with loaded, held:
            trained(held)  # the first epoch loads the images onto the device
            ways = {"ours, trained": partial(trained, loaded), "ours, held": partial(trained, held), "loader": alone}
            harness.compare(f"from a raw beton, batch {batch}", "images", ways, 3)


def main() -> None:
    crop, width, *batches = map(float, sys.argv[1:] or ("224", "1", "128", "1024"))
    on_gpu = device().type == "cuda"
    most = matrix_rate(8192 if on_gpu else 256)
    print(f"bfloat16 matrix product on {harness.device_name()}: {most / 1e12:.3g} TFLOP/s")
    for batch in map(int, batches):
        setting = training.Setting(int(crop), width, batch)
        training.compare(setting, ["bfloat16", "float32"], 5 if on_gpu else 1)
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        images = training.rate(setting, "bfloat16")
        work = images * operations(setting.network(0.0).architecture)
        hours = EPOCHS * IMAGENET / images / 3600
        print(f"  ours, bfloat16: {images:.4g} images a second, {work / most:.1%} of the matrix product's rate")
        print(f"  70 epochs of ImageNet in {hours:.3g} h")
        if on_gpu:
            print(f"  peak memory of ours {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
        from_beton(setting, batch, 4 * batch if not on_gpu else 16_384)
        print(f"  logits in bfloat16 deviate from float32 on the processor by {logits(setting):.2%} of their spread")


if __name__ == "__main__":
    main()
