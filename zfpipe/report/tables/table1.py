"""Table 1: whether hiding the same part of different faces changes their features alike."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from zfpipe import paths, unavailable
from zfpipe.report.numbers.errors import RAN, UNAVAILABLE, Cells, PaperTable, key
from zfpipe.report.numbers.measured import present
from zfpipe.report.numbers.published import TABLE1

FOLDER = paths.CORRESPONDENCE
PARTS = {"Right Eye": "right eye", "Left Eye": "left eye", "Nose": "nose", "Random": "random"}
"""The paper's rows and what is hidden."""


def build(folder: Path, runs: Collection[str]) -> PaperTable:
    """Table 1 from consistency.csv in the folder; no run matters but zfnet's."""
    found = {} if unavailable.reason(folder) else read(folder)
    layers = sorted({layer for _, layer, _ in found})
    cells = []
    for row in TABLE1.rows:
        entry: Cells = {"row": row.name, "run": "zfnet" if found else "", "status": RAN}
        for place, (column, printed) in enumerate(zip(TABLE1.columns, row.values, strict=True)):
            assert isinstance(printed, tuple)
            entry[f"published_{key(column)}"] = f"{printed[0]:.3f} ± {printed[1]:.3f}"
            for part, images, kind in (("ours", "few", ""), ("all", "all", ""), ("changed", "all", "changed_")):
                at = found[PARTS[row.name], layers[place], images] if place < len(layers) else None
                words = f"{at[f'{kind}mean']:.3f} ± {at[f'{kind}deviation']:.3f}" if at else UNAVAILABLE
                entry[f"{part}_{key(column)}"] = words
        cells.append(entry)
    return PaperTable(TABLE1, cells, notes(folder))


def read(folder: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Rows by what is hidden, layer and set of images."""
    rows: list[Any] = pd.read_csv(present(folder / "consistency.csv", "correspondence")).to_dict("records")
    return {(row["part"], row["layer"], row["set"]): row for row in rows}


def notes(folder: Path) -> list[str]:
    """What a reader has to know to compare the columns."""
    reason = unavailable.reason(folder)
    if reason is not None:
        return [f"Not available: {reason}."]
    found = read(folder)
    few, many = (next(row for (_, _, images), row in found.items() if images == name) for name in ("few", "all"))
    changed = [row["changed"] for (_, _, images), row in found.items() if images == "all"]
    layers = " and ".join(str(layer) for layer in sorted({layer for _, layer, _ in found}))
    return [
        "Normalised Hamming distance between the signs of the features' change in two images, mean ± standard "
        "deviation over pairs; the sign of no change is 0, a value of its own. Lower: hiding the part changes the "
        f"features more alike. Ours: layers {layers}.",
        f"Published: five dogs. Ours: {few['images']} faces, {few['pairs']} pairs. All: every validation image of a "
        f"face that looks at us, {many['images']} of them.",
        "Changed: all faces, of the features alone that change in both images (not in the paper). A mask that changes "
        "fewer features leaves more at 0 in both, which alone lowers the distance; here "
        f"{min(changed):.0%} to {max(changed):.0%} change.",
    ]
