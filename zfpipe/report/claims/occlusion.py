"""Section 4.2: hiding the object, and hiding what the projection shows (Fig. 7)."""

import pandas as pd

from zfpipe import paths
from zfpipe.report.claims.given import Given
from zfpipe.report.claims.verdicts import Measure, Unmeasurable
from zfpipe.report.numbers.measured import present


def score(name: str) -> list[Measure]:
    """A row of scores.csv: the paired difference over images."""
    rows = pd.read_csv(present(paths.OCCLUSION / "scores.csv", "occlusion")).set_index("score")
    if name not in rows.index:
        raise Unmeasurable("no validation image has an object whose place is known (boxes or masks)")
    row = rows.loc[name]
    return [Measure(row["difference"], row["low"], row["high"], f"{row['images']:.0f} images")]


def hidden_object(_given: Given) -> list[Measure]:
    """How much more the true class's probability falls with the square on the object than off it."""
    return score("drop")


def hidden_structure(_given: Given) -> list[Measure]:
    """How the fall of the map's activity goes with what of its projection is hidden."""
    return score("agreement")
