"""features: how alike the strongest projections of a map are, how pure their classes, when it settles (section 4).

Reads projections/, activations/strongest.parquet and, where there is one, evolution/settled.csv; writes features/:
maps.csv (a row for each map) and layers.csv (means with bootstrap intervals). Costs seconds.
"""

import numpy as np
import pandas as pd

from zfpipe import params, paths, stage, unavailable
from zfpipe.probes import features


def main() -> None:
    crop = params.load().crops.size
    drawn = pd.read_parquet(paths.PROJECTIONS / "projections.parquet")
    alike = []
    for layer, rows in drawn.groupby("layer"):
        seen, patches = (np.load(paths.PROJECTIONS / f"layer{layer}{kind}.npy") for kind in ("", "_patches"))
        alike.append(features.alikeness(rows.sort_values(["map", "rank"]), seen, patches, crop).assign(layer=layer))
    strongest = pd.read_parquet(paths.STRONGEST)
    maps = strongest.drop_duplicates(["layer", "map"]).filter(["layer", "map"])
    tables = [features.purity(strongest), pd.concat(alike)]
    if unavailable.reason(paths.EVOLUTION) is None:
        tables.append(pd.read_csv(paths.EVOLUTION / "settled.csv").rename(columns={"epoch": "settled"}))
    for table in tables:
        maps = maps.merge(table, on=["layer", "map"], how="left")
    maps = maps.filter(["layer", "map", *features.MEASURES])
    for name, table in (("maps", maps), ("layers", features.summary(maps))):
        with stage.whole(paths.FEATURES / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    stage.run(main)
