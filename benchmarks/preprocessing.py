"""Images per second and core from JPEG files to 256x256 squares: zfpipe's decoder beside torchvision's ImageFolder.

`python -m benchmarks.preprocessing FOLDER` reads the JPEG files of a folder, ImageNet's for figures that count. Both
read from the disk's cache in one thread, turn by turn; the medians of the rounds and of their ratios are printed, and
how far the pixels are from those of Pillow alone.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402

from tests.betons.plain import plain_square  # noqa: E402
from zfpipe.betons.decode import square  # noqa: E402

SIDE = 256
ROUNDS = 15


def seconds(prepare: Callable[[int], np.ndarray], count: int) -> float:
    """The time that all images take."""
    start = time.perf_counter()
    for place in range(count):
        assert prepare(place).shape == (SIDE, SIDE, 3)
    return time.perf_counter() - start


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    files = sorted(path.absolute() for path in Path(sys.argv[1]).iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "class").mkdir()
        for file in files:
            (Path(root) / "class" / file.name).symlink_to(file)
        folder = ImageFolder(root, transforms.Compose([transforms.Resize(SIDE), transforms.CenterCrop(SIDE)]))

        def torchvision(place: int) -> np.ndarray:
            return np.asarray(folder[place][0])

        def zfpipe(place: int) -> np.ndarray:
            return square(Path(folder.samples[place][0]).read_bytes(), SIDE)

        ways = (torchvision, zfpipe)
        for way in ways:  # files cached, kernel compiled
            seconds(way, len(folder))
        times = np.array([[seconds(way, len(folder)) for way in ways] for _ in range(ROUNDS)])
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    print(f"{len(files)} files of {1e3 * megabytes / len(files):.0f} kB, one thread, medians of {ROUNDS} rounds")
    for way, time_taken in zip(ways, np.median(times, 0), strict=True):
        print(
            f"{way.__name__:12} {1e3 * time_taken / len(files):6.3f} ms an image, {len(files) / time_taken:5.0f} per s"
        )
    ratios = times[:, 0] / times[:, 1]
    pictures = [path.read_bytes() for path in files]
    apart = np.stack([np.abs(square(data, SIDE).astype(int) - plain_square(data, SIDE)) for data in pictures])
    print(f"ratio {np.median(ratios):.2f}, from {ratios.min():.2f} to {ratios.max():.2f}")
    mean, worst = apart.mean((1, 2, 3)), np.percentile(apart, 99.9)
    print(f"grey levels from Pillow's: mean {mean.mean():.3f} (at worst {mean.max():.3f}), 99.9 % within {worst:g}")
    print(f"all within {apart.max()}")


if __name__ == "__main__":
    main()
