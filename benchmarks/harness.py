"""What every benchmark shares: ways take turns in one process, medians count, and a table is printed and kept.

`python -m benchmarks` (`make bench`) runs the cases that need no GPU and no images, each in a process of its own, and
writes benchmarks.csv. A case alone: `python -m benchmarks.NAME`.
"""

import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import torch

FILE = "ZFPIPE_BENCHMARKS"
"""The environment variable that names the CSV file to add rows to."""
PACKAGES = ("torch", "torchvision", "ffcv", "numpy", "pyarrow", "captum")
COLUMNS = ("case", "way", "unit", "median", "lowest", "highest", "ours_over_this", "rounds", "device", "versions")

Way = Callable[[], float]
"""One round: how many of the case's things it did."""


def compare(case: str, unit: str, ways: Mapping[str, Way], rounds: int = 5) -> dict[str, float]:
    """Things a second of each way, and how many times as fast as it the first way, ours, is; medians of the rounds.

    Every way runs once before, unmeasured. Of each round the ratio is taken, since a machine is not equally fast all
    the time. Returns the ratios.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            done = way()
            synchronise()
            if number >= 0:
                rates[name].append(done / (time.perf_counter() - start))
    ours = rates[next(iter(ways))]
    ratios = {
        name: statistics.median(mine / other for mine, other in zip(ours, others, strict=True))
        for name, others in rates.items()
    }
    print(f"{case}: {unit} a second, medians of {rounds} rounds on {device_name()}")
    for name, values in rates.items():
        print(f"  {name:44} {statistics.median(values):12.4g}   ours / this {ratios[name]:8.2f}", flush=True)
        keep(case, name, unit, values, ratios[name])
    return ratios


def keep(case: str, way: str, unit: str, rates: list[float], ratio: float | None = None) -> None:
    """Adds a row to the file, if one is asked for."""
    if FILE not in os.environ:
        return
    path = Path(os.environ[FILE])
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        numbers = (statistics.median(rates), min(rates), max(rates), "" if ratio is None else ratio)
        columns = [f"{number:.4g}" if number != "" else "" for number in numbers]
        writer.writerow([case, way, unit, *columns, len(rates), device_name(), versions()])


def synchronise() -> None:
    """Waits for what a GPU still computes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_name() -> str:
    """The GPU, where one is used; the processor otherwise."""
    if os.environ.get("ZFPIPE_DEVICE", "cpu") != "cpu":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores of {models[0] if models else platform.processor()}"


def versions() -> str:
    """Of Python and what the cases compare."""
    return " ".join([f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])
