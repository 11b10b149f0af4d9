"""What section 4 says of the features in words, as a table for the page: a row for each layer."""

from pathlib import Path
from typing import Any

import pandas as pd

from zfpipe import paths
from zfpipe.report.numbers.measured import present

COLUMNS = {
    "projections": "Projections alike",
    "patches": "Patches alike",
    "gap": "Difference",
    "others": "Projections of two maps alike",
    "purity": "Same class",
    "settled": "Settled at epoch",
}


def table(folder: Path) -> dict[str, Any]:
    """Columns and rows as text, from layers.csv in the folder."""
    rows = pd.read_csv(present(folder / "layers.csv", "features")).to_dict("records")
    entries = {(row["layer"], row["measure"]): row for row in rows}
    layers = sorted({layer for layer, _ in entries})
    body = [[f"Layer {layer}", *(cell(entries[layer, name], name) for name in COLUMNS)] for layer in layers]
    return {"columns": ["", *COLUMNS.values()], "rows": body}


def cell(entry: dict[str, Any], measure: str) -> str:
    """A mean and its interval; what there is nothing of, or does not come in the time of the run, in words."""
    if not entry["maps"]:
        return "not available"
    if measure == "settled":
        ends = ["never" if pd.isna(entry[name]) else f"{entry[name]:g}" for name in ("value", "low", "high")]
    else:
        ends = [f"{entry[name]:.2f}".replace("-", "−") for name in ("value", "low", "high")]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


DATA = {paths.FEATURES / "layers.csv": "this table (CSV)", paths.FEATURES / "maps.csv": "map by map (CSV)"}
