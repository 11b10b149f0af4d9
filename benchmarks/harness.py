"""Time several ways of doing the same work: the ways take turns in one process, and medians count.

`python -m benchmarks` (`make bench`) runs the cases that need no GPU and no images, each in its own process, and writes
benchmarks.csv. `python -m benchmarks.NAME` runs one case, and `python -m benchmarks.NAME --full` runs the case at the
sizes of docs/results/speed.md, which takes minutes.
"""

import argparse
import csv
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import ArrayLike

FILE = "ZFPIPE_BENCHMARKS"
"""The environment variable that names the CSV file to add rows to."""
PACKAGES = ("torch", "torchvision", "ffcv", "numpy", "pyarrow", "captum")
COLUMNS = ("case", "way", "unit", "median", "lowest", "highest", "ours_over_this", "rounds", "device", "versions")

Way = Callable[[], float]
"""Do one round of a case, and return how many things were done."""


def arguments(module_doc: str | None) -> argparse.Namespace:
    """Read a case's command line: `full` and, for cases that read JPEG files, `folder`."""
    parser = argparse.ArgumentParser(description=module_doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="JPEG files to use instead of drawn pictures")
    parser.add_argument("--full", action="store_true", help="at full size: minutes")
    return parser.parse_args()


def agree(what: str, ours: ArrayLike, theirs: ArrayLike, relative: float = 0.0) -> None:
    """Raise AssertionError if two ways differ by more than the share `relative` of the largest value."""
    one, other = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert one.shape == other.shape, f"{what}: shapes {one.shape} and {other.shape}"
    apart, allowed = np.abs(one - other).max(), relative * np.abs(other).max()
    assert apart <= allowed, f"{what}: {apart:.3g} apart, allowed {allowed:.3g}"


def compare(case: str, unit: str, ways: Mapping[str, Way], rounds: int = 5) -> dict[str, float]:
    """Print how many things each way does in a second, and how many times as fast the first way, ours, is.

    Every way runs once before the first round, unmeasured. The ratio is the median of the rounds' ratios, since the
    speed of a machine changes from round to round. Return the ratios.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        for name, way in ways.items():
            start = perf_counter()
            done = way()
            synchronise()
            if number >= 0:
                rates[name].append(done / (perf_counter() - start))
    ours = rates[next(iter(ways))]
    ratios = {
        name: statistics.median(mine / other for mine, other in zip(ours, others, strict=True))
        for name, others in rates.items()
    }
    print(f"{case}: {unit} a second, medians of {rounds} rounds on {device_name()}")
    for name, values in rates.items():
        print(f"  {name:44} {statistics.median(values):12.4g}   ours / this {ratios[name]:8.2f}", flush=True)
        keep(case, name, f"{unit}/s", values, ratios[name])
    return ratios


def keep(case: str, way: str, unit: str, values: list[float], ratio: float | None = None) -> None:
    """Add a row to the CSV file, if the environment names one."""
    if FILE not in os.environ:
        return
    path = Path(os.environ[FILE])
    numbers = [statistics.median(values), min(values), max(values), *([] if ratio is None else [ratio])]
    columns = [f"{number:.4g}" for number in numbers] + [""] * (ratio is None)
    row = [case, way, unit, *columns, len(values), device_name(), versions()]
    new = not path.exists()
    with path.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, row] if new else [row])


def on_gpu() -> bool:
    """Return whether a GPU computes."""
    return os.environ.get("ZFPIPE_DEVICE", "cpu") != "cpu"


def synchronise() -> None:
    """Wait until a GPU has finished its work."""
    if on_gpu():
        torch.cuda.synchronize()


def device_name() -> str:
    """Return the name of the GPU if one is used, or else of the CPU."""
    if on_gpu():
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores of {models[0] if models else platform.processor()}"


def versions() -> str:
    """Return the versions of Python and of the compared libraries."""
    return " ".join([f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])
