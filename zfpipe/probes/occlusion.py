"""What hiding places of an image changes, and whether it tells where the object is (Fig. 7, section 4.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zfpipe.deconvnet.deconvnet import Units, project, refusal
from zfpipe.evaluation.predictions import Predictions
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.network.receptive_field import receptive_field
from zfpipe.occlusion.occlusion import Occluders, Occlusion
from zfpipe.params import Deconvnet, OcclusionProbe
from zfpipe.probes import projections, sample
from zfpipe.probes.intervals import bootstrap
from zfpipe.reading.crops import PAPER_CROP
from zfpipe.reading.reader import Batch
from zfpipe.subject.subject import Subject
from zfpipe.subject.truth import Truth


@dataclass(frozen=True)
class Grid:
    """Where a square occluder of `size` pixels goes: its centre to every `stride`th pixel of the crop, both ways."""

    size: int
    stride: int
    crop: int

    @classmethod
    def scaled(cls, size: int, stride: int, crop: int) -> "Grid":
        """From lengths in pixels of a 224 x 224 crop, as the paper's."""
        size, stride = (max(1, round(length * crop / PAPER_CROP)) for length in (size, stride))
        return cls(size, stride, crop)

    @property
    def centres(self) -> Int64[np.ndarray, "side"]:
        """Pixels along one axis that the occluder's centre covers."""
        return np.arange(self.stride // 2, self.crop, self.stride)

    def occluders(self) -> Occluders:
        """All positions, row by row; those at the border hang over it."""
        places = torch.from_numpy(self.centres) - self.size // 2
        tops, lefts = torch.cartesian_prod(places, places).unbind(1)
        return Occluders(tops, lefts, self.size, self.size)

    def on(self, mask: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "position"]:
        """At which positions the occluder's centre lies in a mask."""
        return mask[np.ix_(self.centres, self.centres)].ravel()

    def under(self, values: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "position"]:
        """The sum of a map's values under the occluder, at each position."""
        sums = np.pad(values.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        first = np.clip(self.centres - self.size // 2, 0, self.crop)
        last = np.clip(self.centres - self.size // 2 + self.size, 0, self.crop)
        rows = sums[last] - sums[first]
        return (rows[:, last] - rows[:, first]).ravel()


@dataclass(frozen=True)
class Hidden:
    """One image hidden place by place: total activity of the strongest map, probability of the true class, best class.

    The map is that of the last convolution layer with the largest activation in the unoccluded image, at `(y, x)`;
    `whole_activity` and `whole_p_true` are those of the unoccluded image.
    """

    map: int
    y: int
    x: int
    whole_activity: float
    whole_p_true: float
    activity: Float[np.ndarray, "position"]
    p_true: Float[np.ndarray, "position"]
    top1: Int64[np.ndarray, "position"]

    @property
    def drop(self) -> Float[np.ndarray, "position"]:
        """How far the true class's probability falls."""
        return self.whole_p_true - self.p_true

    @property
    def lost(self) -> Float[np.ndarray, "position"]:
        """How far the map's total activity falls."""
        return self.whole_activity - self.activity


class Typical:
    """The energy of many projections together, each shifted so that all their units lie at the same place.

    Every projection counts the same. From outside its crop nothing comes in. It is what the network gives to any image;
    only the sum is kept, which holds a little of each image too.
    """

    def __init__(self, network: ConvNet | Foreign):
        last = network.architecture.convs[-1]
        self.crop, self.last = network.architecture.crop, last.map_size - 1
        self.jump = receptive_field(network.architecture, last.layer).jump
        side = self.crop + self.last * self.jump
        self.sum = np.zeros((side, side))

    def around(self, y: int, x: int) -> Float[np.ndarray, "y x"]:
        """The sum as it lies in the crop of an image whose unit is at `(y, x)`."""
        top, left = ((self.last - place) * self.jump for place in (y, x))
        return self.sum[top : top + self.crop, left : left + self.crop]

    def add(self, energy: Float[np.ndarray, "y x"], y: int, x: int) -> None:
        """Takes in the projection of the unit at `(y, x)`; one that is all zero adds nothing."""
        if energy.any():
            self.around(y, x)[:] += energy / energy.sum()


OTHERS = 3
"""Other images whose projections of the same map are shown."""


def run(
    subject: Subject, predictions: Predictions, strongest: pd.DataFrame, settings: OcclusionProbe, deconvnet: Deconvnet
) -> dict[str, Any]:
    """Hide places of every image whose object is known, and more closely of those to show; values by file name.

    Each image's numbers stand beside those with other images' objects, an untrained network and projections in general.
    """
    network, inputs, crop = subject.network, subject.inputs, subject.crop
    objects, shown = sample.to_hide(predictions, subject.truth, settings)
    coarse, fine = (Grid.scaled(settings.size, step, crop) for step in (settings.stride, settings.shown_stride))
    places = on_and_off(subject.truth, objects[: settings.images], coarse)
    others = following(places)
    fill = inputs.grey(settings.grey)
    rows: list[dict[str, Any]] = []
    drawn: dict[int, tuple[Batch, Hidden]] = {}
    typical, lost = Typical(network), list[tuple[int, int, Float[np.ndarray, "position"]]]()
    for image, one in subject.each({*shown, *places}, "occlusion"):
        pixels, label = inputs(one), int(one.labels[0])
        if image in shown:
            drawn[image] = (one, hide(network, pixels[0], fill, label, fine))
        if image in places:
            hidden = hide(network, pixels[0], fill, label, coarse)
            projected = energy(network, pixels[0], hidden, deconvnet)
            found = truth(hidden, projected, places[image], others[image], coarse)
            untrained = probability(subject.untrained.network, pixels, label)
            found["p_needed"] = untrained + KNOWN * (1 - untrained)
            rows.append({"id": image, "class": subject.classes[label], **found})
            typical.add(projected, hidden.y, hidden.x)
            lost.append((hidden.y, hidden.x, hidden.lost))
    against = [correlation(values, coarse.under(typical.around(y, x))) for y, x, values in lost]
    images = pd.DataFrame(rows).assign(agreement_null=against)
    described = {
        "layer": network.architecture.convs[-1].layer,
        "grey": settings.grey,
        "unprojected": refusal(network, deconvnet),
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


def on_and_off(known: Truth, images: Sequence[int], grid: Grid) -> dict[int, Bool[np.ndarray, "position"]]:
    """At which positions each image's object is hidden; without images where that is at all of them, or at none."""
    found = {image: grid.on(known.mask(image)) for image in images}
    return {image: on for image, on in found.items() if on.any() and not on.all()}


KNOWN = 0.1
"""A network knows images whose classes it gives a probability this far from an untrained network's to 1."""
OBJECTS = 10
"""Other images with whose objects' places each image's is compared, where there are so many."""


def following(
    places: Mapping[int, Bool[np.ndarray, "position"]],
) -> dict[int, list[Bool[np.ndarray, "position"]]]:
    """Where the images after each one have their objects; after the last come the first."""
    every = list(places.values())
    steps = range(1, min(OBJECTS, len(every) - 1) + 1)
    return {image: [every[(place + step) % len(every)] for step in steps] for place, image in enumerate(places)}


@torch.inference_mode()
def probability(network: ConvNet | Foreign, images: Float[Tensor, "1 3 y x"], label: int) -> float:
    """A class's probability for one image."""
    return float(network(images).softmax(1)[0, label])


def pictures(
    subject: Subject, drawn: dict[int, tuple[Batch, Hidden]], strongest: pd.DataFrame, deconvnet: Deconvnet
) -> dict[str, np.ndarray]:
    """Of the images to show: pixels, masks, and the projections of their strongest map with the patches they saw."""
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


@torch.inference_mode()
def hide(
    network: ConvNet | Foreign, image: Float[Tensor, "3 y x"], fill: Float[Tensor, "3 y x"], label: int, grid: Grid
) -> Hidden:
    """Hides one place after another; `fill` is what hidden pixels become, as the network takes them."""
    foreign = isinstance(network, Foreign)
    occlusion = network.occlusion(image, fill) if foreign else Occlusion(network, image, fill)
    whole = occlusion.unoccluded.maps[0]
    side = whole.shape[-1]
    strongest, place = divmod(int(whole.flatten().argmax()), side * side)
    activity, p_true, top1 = [], [], []
    for found in occlusion.answers(grid.occluders()):
        activity.append(found.maps[:, strongest].sum((1, 2)).double().cpu())
        p_true.append(found.logits.softmax(1)[:, label].double().cpu())
        top1.append(found.logits.argmax(1).cpu())
    return Hidden(
        strongest,
        *divmod(place, side),
        float(whole[strongest].sum()),
        float(occlusion.unoccluded.logits.softmax(1)[0, label]),
        *(torch.cat(parts).numpy() for parts in (activity, p_true, top1)),
    )


def energy(
    network: ConvNet | Foreign, image: Float[Tensor, "3 y x"], hidden: Hidden, settings: Deconvnet
) -> Float[np.ndarray, "y x"]:
    """The squared projection of the strongest map's strongest activation, summed over the colours; zero without one."""
    if refusal(network, settings):
        return np.zeros(image.shape[1:])
    layer = network.architecture.convs[-1].layer
    places = (torch.tensor([place], device=image.device) for place in (hidden.map, hidden.y, hidden.x))
    pixels, _ = project(network, image[None], Units(layer, *places), settings)
    return pixels[0].double().square().sum(0).cpu().numpy()


def pointing(values: Float[np.ndarray, "position"], on: Bool[np.ndarray, "position"]) -> dict[str, float]:
    """Whether the largest value lies on the object, and how well as many of the largest as the object has cover it.

    `hit` is 1 where the largest does (a share of equal ones), `overlap` the intersection over union; each with what
    positions drawn at random would reach.
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
    """What one image says of 4.2, where the occluder's centre is `on` the object at some positions, not at all.

    `on` and `off`: mean drop of the true class's probability with the occluder on the object and off it. `beyond`: the
    first minus the second, and `beyond_elsewhere` its mean for the places of other images' objects; missing where there
    are none. `agreement`: the correlation, over positions, of the drop of the map's total activity with the energy of
    its projection hidden. `p_true`: the true class's probability with nothing hidden.
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
    """Pearson's; missing where one never varies."""
    one, other = one - one.mean(), other - other.mean()
    norm = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / norm) if norm > 0 else float("nan")


def units(network: ConvNet | Foreign, image: int, hidden: Hidden, strongest: pd.DataFrame, others: int) -> pd.DataFrame:
    """The image's strongest activation and its map's strongest of other images, for `projections.project`."""
    layer = network.architecture.convs[-1].layer
    own = pd.DataFrame([{"layer": layer, "map": hidden.map, "id": image, "y": hidden.y, "x": hidden.x}])
    same = strongest.query("layer == @layer and map == @hidden.map and id != @image").sort_values("rank")
    found = pd.concat([own, same.head(others).filter(own.columns)], ignore_index=True)
    return found.assign(rank=range(len(found)), shown=image)


def table(image: int, hidden: Hidden, grid: Grid) -> pd.DataFrame:
    """A row for each position, by the occluder's centre in pixels of the crop."""
    y, x = np.repeat(grid.centres, len(grid.centres)), np.tile(grid.centres, len(grid.centres))
    values = {"map_activity": hidden.activity, "p_true": hidden.p_true, "top1": hidden.top1}
    return pd.DataFrame({"id": image, "y": y, "x": x, **values})


def describe(image: Batch, hidden: Hidden) -> dict[str, int | float]:
    """One image and what is known of it unoccluded."""
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
"""What is compared with what, image by image."""


def scores(images: pd.DataFrame) -> pd.DataFrame:
    """Each score's mean over the images, what it is compared with, and their paired difference with its interval."""
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
