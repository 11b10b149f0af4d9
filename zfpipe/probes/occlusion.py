"""Hide places of an image, and test whether the change tells where the object is (Fig. 7, section 4.2)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zfpipe.deconvnet.deconvnet import refusal
from zfpipe.evaluation.predictions import Predictions
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.network.receptive_field import receptive_field
from zfpipe.probes import projections, sample
from zfpipe.probes.hiding import Grid, Hidden, energy, hide, planned, together
from zfpipe.probes.intervals import KNOWN, bootstrap
from zfpipe.processes import distributed
from zfpipe.reading.reader import Batch
from zfpipe.sections import Deconvnet, OcclusionProbe
from zfpipe.subject.subject import Subject
from zfpipe.subject.truth import Truth


class Typical:
    """The sum of many projections' energies, each shifted so that all units lie at the same place.

    Every projection has the same weight, and is zero outside its crop. The sum shows what the network projects for any
    image. The sum is held in whole multiples of 2^-44, so that the order of the images and the number of processes do
    not change it.
    """

    UNIT = 2.0**-44

    def __init__(self, network: ConvNet | Foreign):
        last = network.architecture.convs[-1]
        self.crop, self.last = network.architecture.crop, last.map_size - 1
        self.jump = receptive_field(network.architecture, last.layer).jump
        side = self.crop + self.last * self.jump
        self.sum = torch.zeros((side, side), dtype=torch.int64)

    def window(self, y: int, x: int) -> tuple[slice, slice]:
        """Return the window in which the crop of an image lies whose unit is at `(y, x)`."""
        top, left = ((self.last - place) * self.jump for place in (y, x))
        return slice(top, top + self.crop), slice(left, left + self.crop)

    def around(self, y: int, x: int) -> Float[np.ndarray, "y x"]:
        """Return the sum inside the crop of an image whose unit is at `(y, x)`."""
        return self.sum[self.window(y, x)].numpy() * self.UNIT

    def add(self, energy: Float[np.ndarray, "y x"], y: int, x: int) -> None:
        """Add the projection of the unit at `(y, x)`; an all-zero projection adds nothing."""
        if energy.any():
            self.sum[self.window(y, x)] += torch.from_numpy(energy / energy.sum() / self.UNIT).round().long()


OTHERS = 3
"""Number of other images whose projections of the same map are shown."""


def run(
    subject: Subject, predictions: Predictions, strongest: pd.DataFrame, settings: OcclusionProbe, deconvnet: Deconvnet
) -> dict[str, Any] | None:
    """Hide places of every image whose object is known, on a finer grid for images to show; return values by file name.

    Each image's numbers are compared with other images' objects, an untrained network and the sum of all projections.
    Processes share the images. Only the first process returns values, the others return None.
    """
    objects, shown = sample.to_hide(predictions, subject.truth, settings)
    coarse, fine = (Grid.scaled(settings.size, step, subject.crop) for step in (settings.stride, settings.shown_stride))
    places = on_and_off(subject.truth, objects[: settings.images], coarse)
    fill, typical = subject.inputs.grey(settings.grey), Typical(subject.network)
    close = distributed.gathered(list(hidden(subject, shown, fill, fine)))
    every = distributed.gathered(list(judged(subject, places, fill, coarse, deconvnet, typical)))
    typical.sum = distributed.summed(typical.sum)
    if not every:
        return None
    drawn = {int(batch.ids[0]): (batch, one) for batch, one in distributed.merged(close)}
    rows = [
        row | {"agreement_null": correlation(lost, coarse.under(typical.around(y, x)))}
        for row, y, x, lost in distributed.merged(every)
    ]
    images = pd.DataFrame(rows)
    described = {
        "layer": subject.network.architecture.convs[-1].layer,
        "grey": settings.grey,
        "unprojected": refusal(subject.network, deconvnet),
        "classes": subject.classes,
        "grids": {
            name: {"size": grid.size, "stride": grid.stride} for name, grid in (("all", coarse), ("shown", fine))
        },
        "images": [describe(*drawn[image]) for image in shown],
    }
    return {
        "truth.csv": images,
        "scores.csv": scores(images),
        "shown.parquet": pd.concat([table(image, drawn[image][1], fine) for image in shown]),
        "shown.safetensors": pictures(subject, {image: drawn[image] for image in shown}, strongest, deconvnet),
        "shown.json": described,
    }


def hidden(
    subject: Subject, ids: Collection[int], fill: Float[Tensor, "3 y x"], grid: Grid
) -> Iterator[tuple[Batch, Hidden]]:
    """Yield this process's part of the images, each hidden place by place."""
    plan = planned(subject.network, grid)
    ones = (one for _, one in subject.each(ids, "occlusion", part=distributed.part()))
    while batches := list(islice(ones, together(subject.network))):
        images = torch.cat([subject.inputs(one) for one in batches])
        labels = [int(one.labels[0]) for one in batches]
        yield from zip(batches, hide(subject.network, images, fill, labels, plan), strict=True)


def judged(
    subject: Subject,
    places: Mapping[int, Bool[np.ndarray, "position"]],
    fill: Float[Tensor, "3 y x"],
    grid: Grid,
    deconvnet: Deconvnet,
    typical: Typical,
) -> Iterator[tuple[dict[str, Any], int, int, Float[np.ndarray, "position"]]]:
    """Yield each image's row without `agreement_null`, and that column's inputs: unit's place, lost activity.

    `places` are the positions on the objects of this process's images. Projections are added to `typical`.
    """
    others = following(places)
    for batch, one in hidden(subject, places, fill, grid):
        image, label, pixels = int(batch.ids[0]), int(batch.labels[0]), subject.inputs(batch)
        projected = energy(subject.network, pixels[0], one, deconvnet)
        found = truth(one, projected, places[image], others[image], grid)
        untrained = probability(subject.untrained.network, pixels, label)
        found["p_needed"] = untrained + KNOWN * (1 - untrained)
        typical.add(projected, one.y, one.x)
        yield {"id": image, "class": subject.classes[label], **found}, one.y, one.x, one.lost


def on_and_off(known: Truth, images: Sequence[int], grid: Grid) -> dict[int, Bool[np.ndarray, "position"]]:
    """Return the positions that hide each image's object; omit images where all or no positions do."""
    found = {image: grid.on(known.mask(image)) for image in images}
    return {image: on for image, on in found.items() if on.any() and not on.all()}


OBJECTS = 10
"""Maximum number of other images whose objects' places are compared with each image's."""


def following(
    places: Mapping[int, Bool[np.ndarray, "position"]],
) -> dict[int, list[Bool[np.ndarray, "position"]]]:
    """Return for each image the objects' places of the next images in cyclic order."""
    every = list(places.values())
    steps = range(1, min(OBJECTS, len(every) - 1) + 1)
    return {image: [every[(place + step) % len(every)] for step in steps] for place, image in enumerate(places)}


@torch.inference_mode()
def probability(network: ConvNet | Foreign, images: Float[Tensor, "1 3 y x"], label: int) -> float:
    """Return a class's probability for one image."""
    return float(network(images).softmax(1)[0, label])


def pictures(
    subject: Subject, drawn: dict[int, tuple[Batch, Hidden]], strongest: pd.DataFrame, deconvnet: Deconvnet
) -> dict[str, np.ndarray]:
    """Return pixels and masks of the images to show, and projections of their strongest map with the image patches."""
    rows = pd.concat([units(subject.network, image, drawn[image][1], strongest, OTHERS) for image in drawn])
    crops = subject.images(set(rows["id"].tolist()))
    [projected] = projections.project(subject.network, crops, rows, subject.inputs, deconvnet).values()
    return {
        "images": np.stack([one.images[0].numpy() for one, _ in drawn.values()]),
        "masks": np.stack([subject.truth.mask(image) for image in drawn]).astype(np.uint8),
        "projections": projected.projections,
        "patches": projected.patches,
        "boxes": projected.rows[["x0", "y0", "x1", "y1"]].to_numpy(np.int64).reshape(len(drawn), -1, 4),
    }


def pointing(values: Float[np.ndarray, "position"], on: Bool[np.ndarray, "position"]) -> dict[str, float]:
    """Score whether the largest value lies on the object, and how well the n largest cover its n positions.

    `hit` is 1 if the largest value lies on the object; among equal values, the share on the object. `overlap` is the
    intersection over union. Each comes with the value that random positions would reach.
    """
    largest = values == values.max()
    count, size = len(on), int(on.sum())
    order = np.argsort(-values, kind="stable")[:size]
    shared = int(on[order].sum())
    by_chance = sum(
        comb(size, both) * comb(count - size, size - both) / comb(count, size) * both / (2 * size - both)
        for both in range(max(0, 2 * size - count), size + 1)
    )
    return {
        "hit": float(on[largest].mean()),
        "hit_by_chance": size / count,
        "overlap": shared / (2 * size - shared),
        "overlap_by_chance": by_chance,
    }


def truth(
    hidden: Hidden,
    energy: Float[np.ndarray, "y x"],
    on: Bool[np.ndarray, "position"],
    elsewhere: Sequence[Bool[np.ndarray, "position"]],
    grid: Grid,
) -> dict[str, float]:
    """Return one image's numbers for section 4.2; the occluder's centre is `on` the object at some positions, not all.

    `on` and `off` are the mean drops of the true class's probability with the occluder on and off the object. `beyond`
    is `on` minus `off`. `beyond_elsewhere` is its mean for the places of other images' objects, or missing without
    other images. `agreement` correlates, over positions, the drop of the map's total activity with the hidden energy
    of its projection. `p_true` is the true class's probability with nothing hidden.
    """

    def beyond(places: Bool[np.ndarray, "position"]) -> float:
        return float(hidden.drop[places].mean() - hidden.drop[~places].mean())

    return {
        "on": float(hidden.drop[on].mean()),
        "off": float(hidden.drop[~on].mean()),
        "beyond": beyond(on),
        "beyond_elsewhere": float(np.mean([beyond(places) for places in elsewhere])) if elsewhere else float("nan"),
        **pointing(hidden.drop, on),
        "agreement": correlation(hidden.lost, grid.under(energy)),
        "p_true": hidden.whole_p_true,
    }


def correlation(one: Float[np.ndarray, "value"], other: Float[np.ndarray, "value"]) -> float:
    """Return Pearson's correlation, or NaN if either is constant."""
    one, other = one - one.mean(), other - other.mean()
    norm = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / norm) if norm > 0 else float("nan")


def units(network: ConvNet | Foreign, image: int, hidden: Hidden, strongest: pd.DataFrame, others: int) -> pd.DataFrame:
    """Return the image's strongest activation and the map's strongest on other images, for `projections.project`."""
    layer = network.architecture.convs[-1].layer
    own = pd.DataFrame([{"layer": layer, "map": hidden.map, "id": image, "y": hidden.y, "x": hidden.x}])
    same = strongest.query("layer == @layer and map == @hidden.map and id != @image").sort_values("rank")
    found = pd.concat([own, same.head(others).filter(own.columns)], ignore_index=True)
    return found.assign(rank=range(len(found)), shown=image)


def table(image: int, hidden: Hidden, grid: Grid) -> pd.DataFrame:
    """Return a row for each position, by the occluder's centre in pixels of the crop."""
    y, x = np.repeat(grid.centres, len(grid.centres)), np.tile(grid.centres, len(grid.centres))
    values = {"map_activity": hidden.activity, "p_true": hidden.p_true, "top1": hidden.top1}
    return pd.DataFrame({"id": image, "y": y, "x": x, **values})


def describe(image: Batch, hidden: Hidden) -> dict[str, int | float]:
    """Return an image's id and class, and the network's answers to the unoccluded image."""
    return {
        "id": int(image.ids[0]),
        "label": int(image.labels[0]),
        "map": hidden.map,
        "activity": hidden.whole_activity,
        "p_true": hidden.whole_p_true,
    }


SCORES = {
    "drop": ("on", "off"),
    "drop_beyond": ("beyond", "beyond_elsewhere"),
    "hit": ("hit", "hit_by_chance"),
    "overlap": ("overlap", "overlap_by_chance"),
    "agreement": ("agreement", "agreement_null"),
    "known": ("p_true", "p_needed"),
}
"""The columns of each score that are compared in each image: the value and its comparison."""


def scores(images: pd.DataFrame) -> pd.DataFrame:
    """Return each score's mean over the images, its comparison, and the paired difference with an interval."""
    rows = []
    for score, (column, other) in SCORES.items():
        if column not in images:
            continue
        kept = images.dropna(subset=[column, other])
        if not len(kept):
            continue
        difference, low, high = bootstrap((kept[column] - kept[other]).to_numpy(np.float64))
        means = {"value": float(np.mean(kept[column])), "against": float(np.mean(kept[other]))}
        rows.append({"score": score, **means, "difference": difference, "low": low, "high": high, "images": len(kept)})
    return pd.DataFrame(rows, columns=["score", "value", "against", "difference", "low", "high", "images"])
