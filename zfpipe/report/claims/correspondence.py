"""Section 4.3: whether hiding the same part of several faces changes features alike (Fig. 8, Table 1)."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from zfpipe import paths
from zfpipe.probes.intervals import bootstrap_pairs
from zfpipe.report.claims.given import Given, available
from zfpipe.report.claims.verdicts import Measure, Unmeasurable
from zfpipe.report.numbers.measured import present
from zfpipe.report.numbers.published import TABLE1
from zfpipe.report.tables.comparisons import number
from zfpipe.report.tables.table1 import PARTS

RANDOM = "random"


def read() -> tuple[pd.DataFrame, list[int], int]:
    """The distance of every two faces by what is hidden and layer, the layers, and how many faces."""
    rows = pd.read_parquet(present(available(paths.CORRESPONDENCE) / "pairs.parquet", "correspondence"))
    return rows, sorted(set(rows["layer"].tolist())), 1 + max(rows["other"].tolist())


def gap(rows: pd.DataFrame, part: str, layer: int) -> Float[np.ndarray, "face face"]:
    """How much further apart every two faces are when random places are hidden than when a part is."""
    faces = 1 + max(rows["other"].tolist())
    found = []
    for name in (RANDOM, part):
        chosen = pd.DataFrame(rows[(rows["part"] == name) & (rows["layer"] == layer)])
        matrix = np.zeros((faces, faces))
        matrix[chosen["one"].to_numpy(), chosen["other"].to_numpy()] = chosen["distance"].to_numpy()
        found.append(matrix + matrix.T)
    return found[0] - found[1]


def printed(part: str, column: int) -> float:
    """The same in Table 1."""
    values = {PARTS[row.name]: number(row.values[column]) for row in TABLE1.rows}
    return values[RANDOM] - values[part]


def parts(_given: Given) -> list[Measure]:
    """The gap of each part in the last convolution layer."""
    rows, layers, faces = read()
    return [
        Measure(*bootstrap_pairs(gap(rows, part, layers[0])), f"{faces} faces", part, printed(part, 0))
        for part in PARTS.values()
        if part != RANDOM
    ]


def less_above(_given: Given) -> list[Measure]:
    """The mean gap of the parts in the last convolution layer minus that in the highest hidden one."""
    rows, layers, faces = read()
    if len(layers) < 2:
        raise Unmeasurable("the network has no hidden fully connected layer")
    names = [part for part in PARTS.values() if part != RANDOM]
    fallen = np.mean([gap(rows, part, layers[0]) - gap(rows, part, layers[-1]) for part in names], axis=0)
    published = float(np.mean([printed(part, 0) - printed(part, 1) for part in names]))
    return [Measure(*bootstrap_pairs(fallen), f"{faces} faces", published=published)]
