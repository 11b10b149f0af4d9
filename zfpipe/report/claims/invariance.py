"""Section 4: how features and the output change while images move, grow and turn (Fig. 5)."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap, resampled
from zfpipe.report.claims.given import Given
from zfpipe.report.claims.verdicts import Measure, Unmeasurable
from zfpipe.report.numbers.measured import present

NONE = {"translation": 0.0, "scale": 1.0, "rotation": 0.0}
"""The amount that changes nothing."""
WORDS = {"translation": "moved", "scale": "enlarged", "rotation": "turned"}


def read() -> tuple[pd.DataFrame, int, int]:
    """Every image, transformation, amount and layer; the lowest layer and the highest."""
    rows = pd.read_parquet(present(paths.INVARIANCE / "invariance.parquet", "invariance"))
    layers = sorted(set(rows["layer"].tolist()))
    if len(layers) < 2:
        raise Unmeasurable("the network has no hidden fully connected layer")
    return rows, layers[0], layers[-1]


def grid(
    rows: pd.DataFrame, kind: str, layer: int, column: str
) -> tuple[Float[np.ndarray, "amount"], Float[np.ndarray, "image amount"]]:
    """A column for every image and amount of one transformation, and how far each amount is from no change."""
    part = pd.DataFrame(rows[(rows["transform"] == kind) & (rows["layer"] == layer)])
    wide = part.pivot(index="id", columns="amount", values=column)
    far = np.abs(wide.columns.to_numpy(np.float64) - NONE[kind])
    return np.minimum(far, 360 - far) if kind == "rotation" else far, wide.to_numpy(np.float64)


def grows(_given: Given) -> list[Measure]:
    """How much further the lowest layer goes than the highest, over all amounts; for each kind of change."""
    return between_layers(smallest=False)


def small(_given: Given) -> list[Measure]:
    """The same at the smallest change."""
    return between_layers(smallest=True)


def between_layers(smallest: bool) -> list[Measure]:
    """Image by image the lowest layer's relative distance minus the highest's, mean over the amounts."""
    rows, low, high = read()
    found = []
    for kind, words in WORDS.items():
        far, first = grid(rows, kind, low, "relative")
        _, top = grid(rows, kind, high, "relative")
        least = far[far > 0].min()
        chosen = np.isclose(far, least) if smallest else far > 0
        values = (first - top)[:, chosen].mean(1)
        found.append(Measure(*bootstrap(values), f"{len(values)} images", words))
    return found


def linear(_given: Given) -> list[Measure]:
    """Share of the variance of each image's distance in the highest layer that a line through no change explains."""
    rows, _, high = read()
    found = []
    for kind in ("translation", "scale"):
        far, distances = grid(rows, kind, high, "distance")
        values = np.array([explained(far, one) for one in distances])
        values = values[~np.isnan(values)]
        if not len(values):
            raise Unmeasurable("the highest layer never changes")
        found.append(Measure(*bootstrap(values, np.median), f"{len(values)} images", WORDS[kind]))
    return found


def explained(far: Float[np.ndarray, "amount"], distance: Float[np.ndarray, "amount"]) -> float:
    """R² of the best line through the origin; missing where the distance never varies."""
    steep = (far @ distance) / (far @ far)
    total = ((distance - distance.mean()) ** 2).sum()
    return float(1 - ((distance - steep * far) ** 2).sum() / total) if total > 0 else float("nan")


def stable(_given: Given) -> list[Measure]:
    """What the true class keeps of its probability when images move and grow."""
    return kept("translation", "scale")


def turned(_given: Given) -> list[Measure]:
    """What it keeps when they turn."""
    return kept("rotation")


def kept(*kinds: str) -> list[Measure]:
    """Mean probability of the true class over all changes, over that without; images count by the latter."""
    rows, low, _ = read()
    found = []
    for kind in kinds:
        far, probabilities = grid(rows, kind, low, "p_true")
        changed, whole = probabilities[:, far > 0].mean(1), probabilities[:, far == 0].mean(1)
        values = resampled(lambda one: one[:, 0].sum() / one[:, 1].sum(), np.column_stack([changed, whole]))
        found.append(Measure(*values, f"{len(whole)} images", WORDS[kind]))
    return found
