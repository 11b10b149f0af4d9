"""Sections 3 and 4.1: what renormalisation, smaller filters and a smaller stride do to layers 1 and 2 (Fig. 6)."""

import json
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file

from zfpipe import paths
from zfpipe.probes import spectra
from zfpipe.probes.intervals import bootstrap_pairs, resampled
from zfpipe.report.claims.given import Given, available
from zfpipe.report.claims.verdicts import Measure, Unmeasurable
from zfpipe.report.numbers.measured import present

OURS, UNCLIPPED, ALEXNET = "zfnet", "zfnet-unclipped", "alexnet"


def read() -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Filters, layer-2 projections and correlations of the three networks, and their numbers."""
    folder = available(paths.FILTERS)
    arrays = load_file(present(folder / "filters.safetensors", "filters"))
    return arrays, json.loads((folder / "filters.json").read_text())


def over(count: int) -> str:
    """What the intervals are over."""
    return f"{count} filters of each network"


def rms(filters: Float[np.ndarray, "map 3 y x"]) -> Float[np.ndarray, "map"]:
    """Root mean square of each filter's weights."""
    return np.sqrt((filters.astype(np.float64) ** 2).mean((1, 2, 3)))


def dominance(values: Float[np.ndarray, "map"]) -> float:
    """The largest over the median."""
    return float(values.max() / np.median(values))


def dominates(_given: Given) -> list[Measure]:
    """How far the strongest filter stands above the median without renormalisation."""
    strengths = rms(read()[0][UNCLIPPED])
    return [Measure(*resampled(dominance, strengths), f"{len(strengths)} filters")]


def renormalised(_given: Given) -> list[Measure]:
    """The same without renormalisation over that with it."""
    arrays = read()[0]
    without, with_it = rms(arrays[UNCLIPPED]), rms(arrays[OURS])
    return [
        Measure(*resampled(lambda one, other: dominance(one) / dominance(other), without, with_it), over(len(with_it)))
    ]


def dead(_given: Given) -> list[Measure]:
    """Share of layer-1 filters that never fire: AlexNet's minus ours."""
    arrays, numbers = read()
    groups = []
    for run in (ALEXNET, OURS):
        count = len(arrays[run])
        groups.append(np.arange(count) < round(numbers[run]["dead"] * count))
    return [Measure(*resampled(lambda one, other: one.mean() - other.mean(), *groups), over(len(groups[0])))]


def distinct(_given: Given) -> list[Measure]:
    """Mean correlation, in size, of two filters' answers to the same places: AlexNet's minus ours."""
    arrays = read()[0]
    theirs, ours = (alike(arrays[f"{run} correlation"]) for run in (ALEXNET, OURS))
    return [independent(theirs, ours, over(len(arrays[OURS])))]


def alike(correlation: Float[np.ndarray, "map map"]) -> tuple[float, float, float]:
    """Mean size of the correlation of two maps, and its interval; maps that always answer the same don't count."""
    answers = ~np.isnan(np.diag(correlation))
    if answers.sum() < 2:
        raise Unmeasurable("fewer than two filters of layer 1 answer")
    return bootstrap_pairs(np.abs(correlation[np.ix_(answers, answers)]))


def independent(one: tuple[float, float, float], other: tuple[float, float, float], over: str) -> Measure:
    """The difference of two independent numbers, from their intervals: half-widths add as squares on each side."""
    value = one[0] - other[0]
    below = np.hypot(one[0] - one[1], other[2] - other[0])
    above = np.hypot(one[2] - one[0], other[0] - other[1])
    return Measure(value, float(value - below), float(value + above), over)


def frequencies(_given: Given) -> list[Measure]:
    """Share of the filters' power in the middle frequencies: ours minus AlexNet's."""
    arrays = read()[0]
    groups = [spectra.shares(arrays[run])["middle"] for run in (OURS, ALEXNET)]
    return [Measure(*resampled(lambda one, other: one.mean() - other.mean(), *groups), over(len(groups[0])))]


def aliasing(_given: Given) -> list[Measure]:
    """How far AlexNet's layer-2 projections stand out at the sampling frequency of its layer 1."""
    found, stride = profiles(ALEXNET)
    return [Measure(*resampled(lambda rows: spectra.lines(rows, stride), found), f"{len(found)} maps")]


def less_aliasing(_given: Given) -> list[Measure]:
    """The same minus ours at its own sampling frequency."""
    (theirs, stride), (ours, smaller) = profiles(ALEXNET), profiles(OURS)

    def difference(one: np.ndarray, other: np.ndarray) -> float:
        return spectra.lines(one, stride) - spectra.lines(other, smaller)

    return [Measure(*resampled(difference, theirs, ours), f"{len(ours)} maps of each network")]


def profiles(run: str) -> tuple[Float[np.ndarray, "map bin"], int]:
    """The power of a network's layer-2 projections by frequency, and the stride of its layer 1."""
    arrays, numbers = read()
    stride = numbers[run]["stride"]
    return spectra.profiles(arrays[f"{run} layer 2"], stride), stride
