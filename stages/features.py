"""features: measure likeness of a map's projections, purity of their classes, and when a map settles (section 4).

Reads projections/, activations/ and, if they exist, evolution/settled.csv and names/. Writes features/: maps.csv (a
row for each map), untrained.csv (the same before training) and layers.csv (means with intervals), or else
unavailable.txt. Costs seconds.
"""

from typing import Any

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.probes import features


def measured() -> dict[str, Any]:
    if reason := unavailable.reason(paths.PROJECTIONS):
        raise unavailable.UnavailableError(reason)
    crop = params.load().crops.size
    settled = None if unavailable.reason(paths.EVOLUTION) else store.load(paths.EVOLUTION / "settled.csv")
    absent = unavailable.reason(paths.NAMES)
    names = [None if absent else store.load(paths.NAMES / name) for name in ("maps.csv", "untrained.csv")]
    found = features.run(*features.drawn(paths.PROJECTIONS), store.load(paths.STRONGEST), settled, names[0], crop)
    strongest = store.load(paths.STRONGEST_UNTRAINED)
    untrained = features.run(*features.drawn(paths.PROJECTIONS / "untrained"), strongest, None, names[1], crop)
    return found | {"untrained.csv": untrained["maps.csv"]}


def main() -> None:
    unavailable.save(paths.FEATURES, measured)


if __name__ == "__main__":
    stage.run(main)
