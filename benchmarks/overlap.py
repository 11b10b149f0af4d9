"""Time comparing 100,000 pictures with 9,144, and estimate the time for ImageNet with Caltech-256."""

import resource
import statistics
import time

import numpy as np

from benchmarks import harness
from zfpipe.probes.overlap import alike

TRAIN, TARGET, PIXELS, ROUNDS = 100_000, 9_144, 16 * 16, 3
IMAGENET, CALTECH = 1_281_167, 30_607


def main() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.normal(0, 1, (count, PIXELS)).astype(np.float32) for count in (TRAIN, TARGET))
    for vectors in (one, other):
        vectors -= vectors.mean(1, keepdims=True)
        vectors /= np.sqrt((vectors**2).sum(1, keepdims=True))
    other[::1000] = one[: len(other[::1000])]
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = alike(one, other, 0.95)
        times.append(time.perf_counter() - start)
    assert len(found) == len(other[::1000])
    seconds = statistics.median(times)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    whole = seconds * IMAGENET * CALTECH / (TRAIN * TARGET)
    harness.keep("overlap", "ours", "pairs/s", [TRAIN * TARGET / taken for taken in times])
    print(f"{TRAIN:,} x {TARGET:,}: {seconds:.1f} s (from {min(times):.1f} to {max(times):.1f}), peak {memory:.2f} GiB")
    speed = 2e-9 * TRAIN * TARGET * PIXELS / seconds
    print(f"{speed:.0f} GFLOP/s; {IMAGENET:,} x {CALTECH:,} would take {whole / 60:.0f} min")


if __name__ == "__main__":
    main()
