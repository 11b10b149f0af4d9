"""Sections 5.2 and 5.3: features moved to other sets (Tables 4 to 7, Fig. 9)."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap, student
from zfpipe.report.claims.given import Given
from zfpipe.report.claims.verdicts import NARROWER, Measure, Unmeasurable
from zfpipe.report.numbers import accuracy
from zfpipe.report.numbers.published import FEW, TABLE5, TABLE6, TABLE7, beaten
from zfpipe.report.tables import table6, table7
from zfpipe.report.tables.comparisons import SETS, number

MEAN = "mean"
NO_SCRATCH = "nothing is trained from scratch where the network's layers were trained elsewhere (model.source)"
DRAWN = "the paper compares with what others reached on {}, and these pictures are drawn by zfpipe"


def printed(name: str) -> dict[int, float]:
    """By how many points the pretrained network is better than one from scratch, by images per class."""
    rows = {row.name: row.values for row in SETS[name].rows}
    pairs = zip(rows[accuracy.PRETRAINED], rows[accuracy.SCRATCH], strict=True)
    counts = [int(column.split()[0]) for column in SETS[name].columns]
    return {count: number(one) - number(other) for count, (one, other) in zip(counts, pairs, strict=True)}


def by_far(name: str) -> float:
    """How many points are far, at least: half of the paper's smallest difference on a set."""
    return NARROWER * min(printed(name).values())


def read(name: str) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """The folds' accuracies, pretrained and from scratch, by images per class."""
    scratch = accuracy.read_scratch(paths.TRANSFER / name)
    if not scratch:
        raise Unmeasurable(NO_SCRATCH)
    return accuracy.pretrained(accuracy.read(paths.TRANSFER / name)), scratch


def folds(differences: Float[np.ndarray, "fold"], part: str = "", published: float | None = None) -> Measure:
    """Mean and interval of accuracies' differences on the same folds, in points."""
    return over_folds(100 * differences, part, published)


def over_folds(values: Float[np.ndarray, "fold"], part: str, published: float | None) -> Measure:
    """Mean and interval over folds."""
    if len(values) < 2:
        return Measure(float(values.mean()), None, None, "one fold: no interval", part, published)
    value, half = student(values)
    return Measure(value, value - half, value + half, f"{len(values)} folds", part, published)


def pretraining(name: str) -> list[Measure]:
    """Pretrained minus from scratch, for each number of images per class."""
    pretrained, scratch = read(name)
    return [
        folds(pretrained[count][: len(found)] - found, f"{count} images per class", printed(name).get(count))
        for count, found in scratch.items()
    ]


def caltech101(_given: Given) -> list[Measure]:
    """On Caltech-101."""
    return pretraining("caltech101")


def caltech256(_given: Given) -> list[Measure]:
    """On Caltech-256."""
    return pretraining("caltech256")


def few_images(_given: Given) -> list[Measure]:
    """The pretrained network on few images minus one from scratch on the most."""
    pretrained, scratch = read("caltech256")
    enough(pretrained)
    most = max(scratch)
    return [folds(pretrained[FEW][: len(scratch[most])] - scratch[most])]


def enough(pretrained: dict[int, np.ndarray]) -> None:
    """Refuses a run without the few images per class that Fig. 9 speaks of."""
    if FEW not in pretrained:
        raise Unmeasurable(f"targets.caltech256.fewer has no {FEW}")


def from_scratch() -> float:
    """The accuracy of a network trained from scratch on Caltech-256 with the most images, in %."""
    row = next(row for row in TABLE5.rows if row.name == accuracy.SCRATCH)
    return number(row.values[-1])


def beats_others(given: Given) -> list[Measure]:
    """The pretrained network on few images minus what others reached with 60."""
    if given.targets.caltech256.embedded:
        raise Unmeasurable(DRAWN.format("Caltech-256"))
    pretrained = accuracy.pretrained(accuracy.read(paths.TRANSFER / "caltech256"))
    enough(pretrained)
    return [folds(pretrained[FEW] - beaten() / 100)]


def pascal(given: Given) -> list[Measure]:
    """Mean average precision minus that of the best others, class by class."""
    if given.targets.voc2012.embedded:
        raise Unmeasurable(DRAWN.format("PASCAL VOC 2012"))
    ours = table6.read(table6.FOLDER)
    best = {table6.voc(row.name): number(row.values[1]) for row in TABLE6.rows}
    names = sorted((set(ours) & set(best)) - {MEAN})
    if len(names) < len(best) - 1:
        raise Unmeasurable("its classes are not those of PASCAL VOC 2012")
    values = np.array([ours[name] - best[name] for name in names])
    return [Measure(*bootstrap(values), f"{len(values)} classes")]


def deeper(_given: Given) -> list[Measure]:
    """Whether an SVM is the better the deeper the layer: rank correlation, fold by fold, on each set."""
    return [layers(name, place) for place, name in enumerate(SETS)]


def layers(name: str, place: int) -> Measure:
    """That of one set."""
    measured = accuracy.read(paths.TRANSFER / name)
    numbers = sorted(set(measured.query("classifier == 'svm'")["layer"].tolist()))
    if len(numbers) < 2:
        raise Unmeasurable("classifiers were trained on one layer alone")
    found = np.stack([table7.folds(measured, "svm", layer) for layer in numbers])
    theirs = [number(row.values[place]) for row in TABLE7.rows if row.name.startswith("SVM")]
    published = float(order(np.array(theirs)[:, None])[0])
    title = SETS[name].title.removesuffix(" accuracy")
    return over_folds(order(found), title, published)


def order(values: Float[np.ndarray, "layer fold"]) -> Float[np.ndarray, "fold"]:
    """Spearman's rank correlation of each fold's values with the layers, lowest first; 0 where all are the same."""
    ranks = pd.DataFrame(values).rank().to_numpy()
    depths, apart = np.arange(len(ranks)) - (len(ranks) - 1) / 2, ranks - ranks.mean(0)
    norms = np.sqrt((depths @ depths) * (apart**2).sum(0))
    return np.divide(depths @ apart, norms, out=np.zeros_like(norms), where=norms > 0)
