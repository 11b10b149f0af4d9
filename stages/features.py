"""features: how alike the strongest projections of a map are, how pure their classes, when it settles (section 4).

Reads projections/, activations/strongest.parquet and, where there is one, evolution/settled.csv; writes features/:
maps.csv (a row for each map) and layers.csv (means with bootstrap intervals). Costs seconds.
"""

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.probes import features


def main() -> None:
    crop = params.load().crops.size
    drawn = store.load(paths.PROJECTIONS / "projections.parquet")
    tiles = {
        layer: tuple(store.load(paths.PROJECTIONS / f"layer{layer}{kind}.npy") for kind in ("", "_patches"))
        for layer in drawn["layer"].unique().tolist()
    }
    settled = None if unavailable.reason(paths.EVOLUTION) else store.load(paths.EVOLUTION / "settled.csv")
    store.save_all(paths.FEATURES, features.run(drawn, tiles, store.load(paths.STRONGEST), settled, crop))


if __name__ == "__main__":
    stage.run(main)
