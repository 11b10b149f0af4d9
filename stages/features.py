"""features: how alike the strongest projections of a map are, how pure their classes, when it settles (section 4).

Reads projections/, activations/ and, where they are there, evolution/settled.csv and names/; writes features/: maps.csv
(a row for each map), untrained.csv (the same before training) and layers.csv (means with intervals). Costs seconds.
"""

from pathlib import Path

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.probes import features


def main() -> None:
    crop = params.load().crops.size
    settled = None if unavailable.reason(paths.EVOLUTION) else store.load(paths.EVOLUTION / "settled.csv")
    absent = unavailable.reason(paths.NAMES)
    names = [None if absent else store.load(paths.NAMES / name) for name in ("maps.csv", "untrained.csv")]
    found = features.run(*drawn(paths.PROJECTIONS), store.load(paths.STRONGEST), settled, names[0], crop)
    strongest = store.load(paths.STRONGEST_UNTRAINED)
    untrained = features.run(*drawn(paths.PROJECTIONS / "untrained"), strongest, None, names[1], crop)
    store.save_all(paths.FEATURES, found | {"untrained.csv": untrained["maps.csv"]})


def drawn(folder: Path) -> features.Drawn:
    """Read the table of the drawn maps and their tiles."""
    rows = store.load(folder / "projections.parquet")
    tiles = {
        layer: tuple(store.load(folder / f"layer{layer}{kind}.npy") for kind in ("", "_patches"))
        for layer in rows["layer"].unique().tolist()
    }
    return rows, tiles


if __name__ == "__main__":
    stage.run(main)
