"""Section 5.1: networks compared by their errors (Tables 2 and 3)."""

from collections.abc import Mapping

import numpy as np

from zfpipe import paths
from zfpipe.report.claims.given import Given
from zfpipe.report.claims.verdicts import NARROWER, WIDER, Measure, Unmeasurable
from zfpipe.report.numbers import errors
from zfpipe.report.numbers.measured import Metrics, read_ensembles
from zfpipe.report.numbers.published import TABLE2, TABLE3, Table
from zfpipe.report.tables.comparisons import contrast, number, scatter

SIZES = (("zfnet", 2048), ("zfnet", 8192), ("alexnet", 2048), ("alexnet", 8192))
"""Changes of layers 6 and 7 in Table 3."""


def published(run: str, column: str = "Val Top-1") -> float:
    """A run's error as printed, in %."""
    for table in (TABLE2, TABLE3):
        for row in table.rows:
            if row.run == run and column in table.columns:
                return number(row.values[place(table, column)])
    raise KeyError(run)


def place(table: Table, column: str) -> int:
    """Where a column stands."""
    return table.columns.index(column)


def error(entry: Metrics) -> float:
    """Validation top-1 error in %."""
    return 100 * entry["val_top1"]


def overfit(entry: Metrics) -> float:
    """How far validation lies above training, in points."""
    return 100 * (entry["val_top1"] - entry["train_top1"])


def sum_of(given: Given, weights: Mapping[str, float], what=error) -> list[Measure]:
    """A weighted sum of runs' errors in points, the same of the printed ones beside it."""
    given.needs(*weights)
    value, half, over = contrast(weights, errors.measured(paths.METRICS, given.runs), what)
    theirs = sum(weight * printed(run, what is overfit) for run, weight in weights.items())
    return [around(value, half, over, "", theirs)]


def around(value: float, half: float, over: str, part: str, theirs: float) -> Measure:
    """A number with half of its interval, NaN where there is none."""
    if np.isnan(half):
        return Measure(value, None, None, "one seed: no interval", part, theirs)
    return Measure(value, value - half, value + half, over, part, theirs)


def printed(run: str, gap: bool) -> float:
    """A run's error as printed, or its gap between validation and training."""
    return published(run) - (published(run, "Train Top-1") if gap else 0)


def growth(given: Given, changed: str, base: str, part: str = "") -> Measure:
    """By how many % of the base's error a change raises the error; the ratio's interval by the delta method."""
    given.needs(changed, base)
    measured = errors.measured(paths.METRICS, given.runs)
    means = {run: sum(map(error, measured[run])) / len(measured[run]) for run in (changed, base)}
    theirs = 100 * (published(changed) / published(base) - 1)
    if not means[base]:
        raise Unmeasurable(f"{base} makes no error on these images")
    ratio = means[changed] / means[base]
    alone, over = scatter(measured, error)
    spread = (1 / len(measured[changed]) + ratio**2 / len(measured[base])) ** 0.5 / means[base]
    return around(100 * (ratio - 1), 100 * alone * spread, over, part, theirs)


def largest_small() -> float:
    """How much of the error the paper calls slight or relatively small, at most, in %: half as much again."""
    return WIDER * max(grown("alexnet-no67", "alexnet"), grown("alexnet-no34", "alexnet"))


def smallest_dramatic() -> float:
    """How much of the error is dramatic, at least, in %: half of the paper's example."""
    return NARROWER * grown("alexnet-no3467", "alexnet")


def largest_little() -> float:
    """How much of the error the paper calls little difference, at most, in %: half as much again."""
    return WIDER * max(abs(grown(f"{base}-fc{units}", base)) for base, units in SIZES)


def grown(changed: str, base: str) -> float:
    """By how many % a change raises the printed error."""
    return 100 * (published(changed) / published(base) - 1)


def beats(given: Given) -> list[Measure]:
    """AlexNet's error minus that of Fig. 3's network."""
    return sum_of(given, {"alexnet": 1, "zfnet": -1})


def together(name: str, given: Given) -> list[Measure]:
    """The mean error of an ensemble's members minus theirs together, over the validation images."""
    if name not in given.ensembles:
        raise Unmeasurable(f"params.yaml has no ensemble {name}")
    found = read_ensembles(paths.METRICS / paths.ENSEMBLES.name)[name]
    value, low, high = (100 * found[column] for column in ("gain_top1", "gain_top1_low", "gain_top1_high"))
    theirs = {"zfnet-five": published("zfnet"), "zfnet-six": (5 * published("zfnet") + published("zfnet-wide")) / 6}
    words = f"{found['val_images']:,} images, {len(found['runs'])} networks"
    return [Measure(value, low, high, words, published=theirs[name] - published(name))]


def five(given: Given) -> list[Measure]:
    """Five networks of Fig. 3."""
    return together("zfnet-five", given)


def six(given: Given) -> list[Measure]:
    """These and one with wider layers."""
    return together("zfnet-six", given)


def dense_removed(given: Given) -> list[Measure]:
    """AlexNet without layers 6 and 7."""
    return [growth(given, "alexnet-no67", "alexnet")]


def middle_removed(given: Given) -> list[Measure]:
    """AlexNet without layers 3 and 4."""
    return [growth(given, "alexnet-no34", "alexnet")]


def both_removed(given: Given) -> list[Measure]:
    """AlexNet without all four."""
    return [growth(given, "alexnet-no3467", "alexnet")]


def depth(given: Given) -> list[Measure]:
    """What removing all four costs beyond what removing either pair costs."""
    return sum_of(given, {"alexnet-no3467": 1, "alexnet-no34": -1, "alexnet-no67": -1, "alexnet": 1})


def dense_sizes(given: Given) -> list[Measure]:
    """Both networks with half and twice the units in layers 6 and 7."""
    return [growth(given, f"{base}-fc{units}", base, f"{base}, {units} units") for base, units in SIZES]


def wider_middle(given: Given) -> list[Measure]:
    """The error of Fig. 3's network minus that with wider layers 3 to 5."""
    return sum_of(given, {"zfnet": 1, "zfnet-wide": -1})


def wider_everything(given: Given) -> list[Measure]:
    """How much further validation lies above training when layers 6 and 7 are wider too."""
    return sum_of(given, {"zfnet-wide-fc8192": 1, "zfnet": -1}, overfit)
