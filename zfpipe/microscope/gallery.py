"""For each map, the nine images of the pipeline's data set that activate the map most."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zfpipe import params, paths, store
from zfpipe.deconvnet.windows import window
from zfpipe.microscope.shown import beside, cut
from zfpipe.network.foreign import Foreign
from zfpipe.report.engine import tiles
from zfpipe.subject.subject import Crops, Subject

RUN = "zfnet"
"""The only run whose strongest images the pipeline finds."""
NINE = 9
TILE = 48


@dataclass(frozen=True)
class Gallery:
    """Strongest images of some maps. `places[layer, map]` lists `(image, y, x)`; `crops` are the images' pixels."""

    places: dict[tuple[int, int], list[tuple[int, int, int]]]
    crops: Crops
    subject: Subject

    def picture(self, layer: str, map: int) -> np.ndarray | None:
        """Return what a map's nine strongest units see, in a 3 x 3 picture, or None if the map is missing."""
        number = numbered(self.subject, layer)
        rows = self.places.get((number, map)) if number is not None else None
        if number is None or not rows:
            return None
        field = window(self.subject.network, number)
        found = []
        for image, y, x in rows:
            (top, bottom), (left, right) = field.visible(y), field.visible(x)
            pixels = self.crops.images[self.crops.position[image]].numpy()
            found.append(beside([cut(pixels, (left, top, right, bottom))], TILE))
        return tiles.grid(found, 3)

    def atlas(self, folder: Path) -> str | None:
        """Return the address of the atlas relative to `folder`, or None if there is no atlas."""
        page = paths.ATLAS / "index.html"
        return Path(os.path.relpath(page, folder)).as_posix() if page.exists() else None


def numbered(subject: Subject, layer: str) -> int | None:
    """Return the pipeline's number of a layer, or None if the pipeline does not look at the layer."""
    if not isinstance(subject.network, Foreign):
        return int(layer)
    return {conv.name: conv.layer for conv in subject.network.architecture.convs}.get(layer)


def missing(run: str) -> str | None:
    """Return in one line why a run has no strongest images here, or None if the images are there."""
    if run != RUN:
        return f"No strongest images of {run}: the pipeline finds them for {RUN} only."
    lacking = [path for path in (paths.STRONGEST, paths.beton("val"), paths.MEAN) if not path.exists()]
    return f"{lacking[0]} is not there: no strongest images; make it: dvc repro activations" if lacking else None


def gather(maps: Iterable[tuple[str, int]]) -> Gallery:
    """Read the strongest images of some maps, given as layer and map, from the pipeline's files."""
    subject = Subject.open(params.load())
    wanted = {(numbered(subject, layer), number) for layer, number in maps}
    table = store.load(paths.STRONGEST).sort_values("activation", ascending=False, kind="stable")
    places: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for row in table[table["activation"] > 0].to_dict("records"):
        rows = places.setdefault((int(row["layer"]), int(row["map"])), [])
        if len(rows) < NINE:
            rows.append((int(row["id"]), int(row["y"]), int(row["x"])))
    chosen = {key: rows for key, rows in places.items() if key in wanted}
    return Gallery(chosen, subject.images({image for rows in chosen.values() for image, _, _ in rows}), subject)
