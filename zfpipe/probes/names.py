"""Find which part or class a feature map detects: network dissection (Bau et al. 2017), beyond the paper.

The paper sees maps that look for eyes or wheels. Here each map is scored against every part and class whose place in
the images is known. The score is the intersection over union of the map's top activations and the part or object.
The same score with the places of other images says what chance gives.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zfpipe.network.convnet import LayerTrace
from zfpipe.network.receptive_field import ReceptiveField, receptive_field
from zfpipe.reading.reader import Batch
from zfpipe.subject.subject import Subject
from zfpipe.subject.truth import filled
from zfpipe.unavailable import UnavailableError
from zfpipe.values import Section, Seed, number, whole

KINDS = ("part", "class")
SIDE = 48
"""Minimum number of compared pixels along a side, if the crop is that large; pixels are compared at equal steps."""


class Settings(Section):
    """A map finds a concept if the overlap is at least `least`, and larger than in every permutation of the images."""

    images: Annotated[int, whole(2, 10_000_000)] | None
    top: Annotated[float, number(1e-5, 0.5)]
    least: Annotated[float, number(0, 1)]
    permutations: Annotated[int, whole(1, 1000)]
    seed: Seed


@dataclass(frozen=True)
class Concepts:
    """Parts and classes by kind and name, and their places in each image."""

    names: list[tuple[str, str]]
    places: dict[str, dict[int, list[tuple[int, Bool[np.ndarray, "y x"]]]]]
    """By kind and image: the number of each concept in the image, and its mask over the compared pixels."""


def run(subject: Subject, settings: Settings) -> dict[str, pd.DataFrame]:
    """Find each convolution map's concept, in the trained and the untrained network; return tables by file name.

    In the row of a map, `kind` and `concept` have the largest intersection over union, `iou`. `chance` is the largest
    value with the places of other images, over all concepts. `found` says whether the map finds the concept. Raise
    UnavailableError if no image has an object or a part whose place is known.
    """
    with subject.batches() as batches:
        ids = batches.ids
    if settings.images is not None and settings.images < len(ids):
        ids = np.sort(np.random.default_rng(settings.seed).choice(ids, settings.images, replace=False))
    concepts = known(subject, ids.tolist())
    return {
        "maps.csv": scored(subject, concepts, ids, settings),
        "untrained.csv": scored(subject.untrained, concepts, ids, settings),
    }


def known(subject: Subject, ids: Sequence[int]) -> Concepts:
    """Find the places of objects and parts; parts with the same last word, such as both eyes, are one concept."""
    places: dict[str, dict[int, list[tuple[str, Bool[np.ndarray, "y x"]]]]] = {kind: {} for kind in KINDS}
    parts = {image: subject.truth.parts(image) for image in ids}
    words = Counter(part.split()[-1] for part in {part for held in parts.values() for part in held})
    with subject.batches() as every:
        labels = dict(zip(every.ids.tolist(), every.labels.tolist(), strict=True))
    for image in ids:
        mask = subject.truth.object(image)
        if mask is not None:
            places["class"][image] = [(subject.classes[labels[image]], mask)]
        together: dict[str, Bool[np.ndarray, "y x"]] = {}
        for part, box in parts[image].items():
            word = part.split()[-1]
            name = word if words[word] > 1 else part
            here = filled(box, subject.crop)
            together[name] = here | together.get(name, here)
        if together:
            places["part"][image] = list(together.items())
    held = {(kind, name) for kind in KINDS for images in places[kind].values() for name, _ in images}
    names = sorted(held, key=lambda one: (KINDS.index(one[0]), one[1]))
    if not names:
        raise UnavailableError("no image of this set has an object or a part whose place is known")
    numbers = {name: place for place, name in enumerate(names)}
    step = apart(subject.crop)

    def compared(held: list[tuple[str, Bool[np.ndarray, "y x"]]], kind: str) -> list[tuple[int, np.ndarray]]:
        return [(numbers[kind, name], mask[::step, ::step]) for name, mask in held]

    return Concepts(
        names,
        {kind: {image: compared(held, kind) for image, held in images.items()} for kind, images in places.items()},
    )


def scored(subject: Subject, concepts: Concepts, ids: np.ndarray, settings: Settings) -> pd.DataFrame:
    """Score every map of a network against every concept."""
    partners = shuffled(concepts, settings)
    limits = thresholds(subject, ids, settings.top)
    sums = {layer: Sums.none(len(limit), len(concepts.names), len(partners)) for layer, limit in limits.items()}
    spreads = {
        layer: spread(receptive_field(subject.network.architecture, layer), side(subject, layer), subject.crop)
        for layer in limits
    }
    for batch, trace in traced(subject, ids):
        limit, weights = limits[trace.layer], spreads[trace.layer].to(subject.inputs.device)
        enlarged = weights @ trace.rectified @ weights.T
        shown = ((enlarged >= limit[:, None, None]) & (enlarged > 0)).flatten(2)
        for image, one in zip(batch.ids.tolist(), shown.float(), strict=True):
            laid = [
                [(kind, place) for kind in KINDS for place in concepts.places[kind].get(other[kind].get(image, -1), ())]
                for other in partners
            ]
            if any(laid):
                masks = np.stack([mask for held in laid for _, (_, mask) in held])
                places = torch.from_numpy(masks).flatten(1).to(one.device, one.dtype)
                overlap, size = ((one @ places.T), one.sum(1))
                sums[trace.layer].add(laid, overlap.cpu().double().numpy(), size.cpu().double().numpy())
    sizes = np.zeros(len(concepts.names))
    for held in (held for images in concepts.places.values() for held in images.values()):
        for place, mask in held:
            sizes[place] += mask.sum()
    kinds = np.array([KINDS.index(kind) for kind, _ in concepts.names])
    return pd.concat(
        [table(layer, found.scores(sizes, kinds), concepts, settings) for layer, found in sums.items()],
        ignore_index=True,
    )


def shuffled(concepts: Concepts, settings: Settings) -> list[dict[str, dict[int, int]]]:
    """Return for each kind and image whose places are laid over its maps: first its own, then a permuted image's."""
    random = np.random.default_rng(settings.seed)
    images = {kind: sorted(held) for kind, held in concepts.places.items()}
    orders = [images, *({kind: random.permutation(held).tolist() for kind, held in images.items()}
                        for _ in range(settings.permutations))]  # fmt: skip
    return [{kind: dict(zip(images[kind], order[kind], strict=True)) for kind in KINDS} for order in orders]


def traced(subject: Subject, ids: np.ndarray) -> Iterator[tuple[Batch, LayerTrace]]:
    """Yield every layer's trace on these images, batch by batch."""
    with subject.batches() as every:
        rows = np.flatnonzero(np.isin(every.ids, ids))
    with subject.batches(rows) as batches, torch.inference_mode():
        for batch, images in subject.inputs.ahead(batches.epoch()):
            yield from ((batch, trace) for trace in subject.network.trace(images, switches=False))


def thresholds(subject: Subject, ids: np.ndarray, top: float) -> dict[int, Float[Tensor, "map"]]:
    """Return for each map the activation that the share `top` of its units on these images reaches."""
    kept: dict[int, Tensor] = {}
    for _, trace in traced(subject, ids):
        values = trace.rectified.transpose(0, 1).flatten(2)
        count = max(1, math.ceil(top * len(ids) * values.shape[2]))
        values = values.flatten(1)
        both = values if trace.layer not in kept else torch.cat([kept[trace.layer], values], 1)
        kept[trace.layer] = both.topk(min(count, both.shape[1]), 1).values
    return {layer: values[:, -1] for layer, values in kept.items()}


def side(subject: Subject, layer: int) -> int:
    """Return the number of units along a side of a layer's maps."""
    return next(conv.map_size for conv in subject.network.architecture.convs if conv.layer == layer)


def apart(crop: int) -> int:
    """Return the distance between compared pixels."""
    return max(1, crop // SIDE)


def spread(field: ReceptiveField, units: int, crop: int) -> Float[Tensor, "pixel unit"]:
    """Return weights that interpolate a row of units at the compared pixels, linear between receptive fields' middles.

    Units that see all of the crop are placed evenly over it.
    """
    middle, jump = field.start + field.size / 2, float(field.jump)
    if not field.jump:
        middle, jump = crop / units / 2, crop / units
    places = (torch.arange(0, crop, apart(crop)) + 0.5 - middle) / jump
    places = places.clamp(0, units - 1)
    return (1 - (places[:, None] - torch.arange(units)).abs()).clamp(min=0)


@dataclass
class Sums:
    """Numbers of pixels over all images: the overlap of maps and concepts, by permutation, and the maps' top pixels."""

    overlap: Float[np.ndarray, "permutation map concept"]
    shown: Float[np.ndarray, "kind map"]

    @classmethod
    def none(cls, maps: int, concepts: int, permutations: int) -> "Sums":
        """Return the sums before the first image."""
        return cls(np.zeros((permutations, maps, concepts)), np.zeros((len(KINDS), maps)))

    def add(
        self, laid: Sequence[Sequence[tuple[str, tuple[int, np.ndarray]]]], overlap: np.ndarray, shown: np.ndarray
    ) -> None:
        """Add one image: for each permutation the concepts laid over the image, and the overlaps in their order."""
        column = 0
        for permutation, held in enumerate(laid):
            for _, (place, _) in held:
                self.overlap[permutation, :, place] += overlap[:, column]
                column += 1
        for kind in {kind for kind, _ in laid[0]}:
            self.shown[KINDS.index(kind)] += shown

    def scores(
        self, sizes: Float[np.ndarray, "concept"], kinds: np.ndarray
    ) -> Float[np.ndarray, "permutation map concept"]:
        """Return intersection over union, over the images in which a concept of the kind is known."""
        union = self.shown[kinds].T + sizes - self.overlap
        return np.divide(self.overlap, union, out=np.zeros_like(self.overlap), where=union > 0)


def table(
    layer: int, scores: Float[np.ndarray, "permutation map concept"], concepts: Concepts, settings: Settings
) -> pd.DataFrame:
    """Return a row for each map of a layer, with the concept that the map overlaps most."""
    best, chance = scores[0].argmax(1), scores[1:].max((0, 2))
    iou = scores[0].max(1)
    return pd.DataFrame(
        {
            "layer": layer,
            "map": np.arange(len(best)),
            "kind": [concepts.names[place][0] for place in best],
            "concept": [concepts.names[place][1] for place in best],
            "iou": iou,
            "chance": chance,
            "found": (iou >= settings.least) & (iou > chance),
        }
    )
