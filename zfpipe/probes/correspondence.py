"""Test whether hiding the same part of several faces changes their features alike (Fig. 8, Table 1, section 4.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int8, UInt8
from torch import Tensor

from zfpipe.index.images import Box
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.sections import Correspondence
from zfpipe.subject.subject import Crops, Subject
from zfpipe.unavailable import UnavailableError

PARTS = ("right eye", "left eye", "nose")
"""The creature's own right eye is on the left of the picture."""
ROUNDING = 1e-5
"""Relative difference that rounding can cause between two rows of a batch with the same input."""
EXAMPLES = 3
"""Number of random masks that are shown for each image."""

Signs = dict[str, dict[int, Int8[np.ndarray, "image mask feature"]]]
"""Signs of every image's features under every mask, by hidden part and layer."""


@dataclass(frozen=True)
class Example:
    """A face to show: `pictures` has it unmasked, then with masks of `size` pixels over its parts and random places."""

    image: int
    label: int
    size: int
    pictures: UInt8[np.ndarray, "picture y x 3"]


def run(subject: Subject, settings: Correspondence) -> dict[str, Any]:
    """Hide parts of all frontal faces; return tables and the pictures to show, by file name.

    Raise UnavailableError if there are fewer than two frontal faces.
    """
    with subject.batches() as batches:
        ids = sorted(batches.ids.tolist())
    faces = {image: found for image in ids if frontal(found := subject.truth.parts(image))}
    if len(faces) < 2:
        raise UnavailableError(
            "it takes two validation images or more with boxes of right eye, left eye and nose, looking at us; "
            "pictures.parts names a file with such boxes (docs/data.md)"
        )
    everywhere = np.ones((subject.crop, subject.crop), bool)
    objects = {image: everywhere if (mask := subject.truth.object(image)) is None else mask for image in faces}
    given = (subject.inputs, subject.images(set(faces)), faces, objects, settings)
    untrained = pairs(measure(subject.untrained.network, *given)[0])  # first, to keep only one network's signs
    signs, shown = measure(subject.network, *given)
    described = [{"id": one.image, "class": subject.classes[one.label], "size": one.size} for one in shown]
    distances = pairs(signs)
    return {
        "consistency.csv": table(signs, distances, settings.images),
        "pairs.parquet": distances,
        "untrained.parquet": untrained,
        "images.json": {"images": described, "random": settings.random},
        "images.npy": np.stack([one.pictures for one in shown]),
    }


def frontal(parts: dict[str, Box], lean: float = 15.0, aside: float = 0.3) -> bool:
    """Return whether a face is frontal: both eyes and the nose are known, the eyes are level, the nose is between them.

    "Level" is within `lean` degrees. "Between" is at most `aside` times the eyes' distance from their middle.
    """
    if not set(PARTS) <= parts.keys():
        return False
    right, left, nose = (centre(parts[part]) for part in PARTS)
    across = left - right
    distance = float(np.hypot(*across))
    if across[0] <= 0 or abs(np.degrees(np.arctan2(across[1], across[0]))) > lean:
        return False
    offset = nose - (right + left) / 2
    return abs(float(offset @ across)) / distance**2 <= aside and bool(offset[1] > 0)


def centre(box: Box) -> Float[np.ndarray, "2"]:
    """Return the middle of a box as x, y."""
    return np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])


def side(parts: dict[str, Box]) -> int:
    """Return the side of all masks of a face in pixels: the longest side of its parts' boxes."""
    return max(1, round(max(max(box.x1 - box.x0, box.y1 - box.y0) for box in (parts[part] for part in PARTS))))


def places(
    parts: dict[str, Box], mask: Bool[np.ndarray, "y x"], count: int, rng: np.random.Generator
) -> dict[str, list[tuple[int, int]]]:
    """Return the top left corners of the square masks by what they hide: one for each part, and `count` random ones.

    The centre of a random mask is drawn uniformly from the object's pixels that no part's mask covers.
    """
    size, crop = side(parts), len(mask)
    found = {part: [corner(centre(parts[part]), size, crop)] for part in PARTS}
    free = mask.copy()
    for ((top, left),) in found.values():
        free[top : top + size, left : left + size] = False
    ys, xs = np.nonzero(free if free.any() else mask)
    drawn = rng.integers(0, len(ys), count)
    found["random"] = [corner(np.array([xs[place], ys[place]]) + size % 2 / 2, size, crop) for place in drawn]
    return found


def corner(middle: Float[np.ndarray, "2"], size: int, crop: int) -> tuple[int, int]:
    """Return top and left of a square around a point, moved into the crop."""
    x, y = (min(max(round(float(value) - size / 2), 0), crop - size) for value in middle)
    return y, x


def hidden(
    image: Float[Tensor, "3 y x"], fill: Float[Tensor, "3 y x"], corners: Sequence[tuple[int, int]], size: int
) -> Float[Tensor, "mask 3 y x"]:
    """Return copies of the image, each with one square set to `fill`."""
    found = image.repeat(len(corners), 1, 1, 1)
    for one, (top, left) in zip(found, corners, strict=True):
        one[:, top : top + size, left : left + size] = fill[:, top : top + size, left : left + size]
    return found


def painted(
    image: UInt8[np.ndarray, "y x 3"], corners: Sequence[tuple[int, int]], size: int, grey: float
) -> UInt8[np.ndarray, "picture y x 3"]:
    """Return the unmasked image, then copies with one grey square each, for display."""
    found = np.repeat(image[None], len(corners) + 1, axis=0)
    for one, (top, left) in zip(found[1:], corners, strict=True):
        one[top : top + size, left : left + size] = round(grey)
    return found


@torch.inference_mode()
def changes(
    network: ConvNet | Foreign, image: Float[Tensor, "3 y x"], masked: Float[Tensor, "mask 3 y x"]
) -> dict[int, Int8[np.ndarray, "mask feature"]]:
    """Return the signs of the features' change under each mask, original minus masked, by layer.

    Layers are the last convolution layer (the paper's 5) and the highest hidden layer (the paper's 7). The sign is 0
    where the change is below `ROUNDING` times the layer's largest feature.
    """
    outline = network.architecture
    shown = (outline.convs[-1].layer, outline.top_hidden)
    every = network.features(torch.cat([image[None], masked]))
    features = {layer: values.flatten(1) for layer, values in every if layer in shown}
    signs = {}
    for layer, values in features.items():
        change = values[:1] - values[1:]
        change[change.abs() <= ROUNDING * values.abs().max()] = 0
        signs[layer] = change.sign().to(torch.int8).cpu().numpy()
    return signs


def measure(
    network: ConvNet | Foreign,
    inputs: MeanSubtraction,
    crops: Crops,
    faces: Mapping[int, dict[str, Box]],
    objects: Mapping[int, Bool[np.ndarray, "y x"]],
    settings: Correspondence,
) -> tuple[Signs, list[Example]]:
    """Return the signs of all faces in a seeded random order, and the first `settings.images` faces to show.

    `faces` holds the faces' parts in pixels of the crop; `objects` holds the masks of the objects for random places.
    """
    rng = np.random.default_rng(settings.seed)
    fill = inputs.grey(settings.grey)
    signs: dict[str, dict[int, list[np.ndarray]]] = {}
    shown = []
    for image in rng.permutation(list(faces)).tolist():
        batch, size = crops.batch([image]), side(faces[image])
        pixels = inputs(batch)[0]
        corners = places(faces[image], objects[image], settings.random, rng)
        for part, several in corners.items():
            for layer, found in changes(network, pixels, hidden(pixels, fill, several, size)).items():
                signs.setdefault(part, {}).setdefault(layer, []).append(found)
        if len(shown) < settings.images:
            examples = [*(corners[part][0] for part in PARTS), *corners["random"][:EXAMPLES]]
            pictures = painted(batch.images[0].numpy(), examples, size, settings.grey)
            shown.append(Example(image, int(batch.labels[0]), size, pictures))
    return {part: {layer: np.stack(rows) for layer, rows in layers.items()} for part, layers in signs.items()}, shown


def consistency(
    signs: Int8[np.ndarray, "image mask feature"],
) -> tuple[Float[np.ndarray, "pair"], Float[np.ndarray, "pair"], Float[np.ndarray, "pair"]]:
    """Return how far the sign vectors of every two images differ, as means over masks; each pair counts once.

    The first array is the paper's normalised Hamming distance over all features. The second is the same distance over
    the features that change in both images: where a mask changes little, many signs are 0 in both images, which makes
    them alike without correspondence. Masks under which no feature changes in both images do not count for the second
    distance, which is NaN if no mask counts. The third array is the share of features that change in both images.
    """
    pairs = np.triu_indices(len(signs), 1)
    distance, among_changed, common, masks_counted = np.zeros((4, len(pairs[0])))
    for masks in signs.transpose(1, 0, 2):
        less, none, more = ((masks == sign).astype(np.float32) for sign in (-1, 0, 1))
        same = (less @ less.T + more @ more.T)[pairs]  # number of features with the same nonzero sign in both
        changed = ((1 - none) @ (1 - none).T)[pairs]
        distance += 1 - (same + (none @ none.T)[pairs]) / signs.shape[2]
        among_changed += np.where(changed > 0, 1 - same / np.maximum(changed, 1), 0)
        common += changed / signs.shape[2]
        masks_counted += changed > 0
    masks = signs.shape[1]
    among_changed = np.divide(among_changed, masks_counted, out=np.full_like(distance, np.nan), where=masks_counted > 0)
    return distance / masks, among_changed, common / masks


def pairs(signs: Signs) -> pd.DataFrame:
    """Return `consistency` of every pair of images, with a row for each pair, hidden part and layer."""
    parts = []
    for part, layers in signs.items():
        for layer, values in layers.items():
            one, other = np.triu_indices(len(values), 1)
            distance, among_changed, common = consistency(values)
            columns = {"distance": distance, "changed_distance": among_changed, "common": common}
            columns = {"one": one, "other": other, **columns}
            parts.append(pd.DataFrame({"part": part, "layer": layer, **columns}))
    return pd.concat(parts, ignore_index=True)


def table(signs: Signs, pairs: pd.DataFrame, few: int) -> pd.DataFrame:
    """Return mean and standard deviation of both distances over pairs of images, by hidden part, layer and set.

    The sets are the first `few` images (the paper has five) and all images. `changed` is the share of features that a
    mask changes. `changed_mean` is the mean second distance over the `changed_pairs` pairs where it is known.
    """
    rows = []
    for part, layers in signs.items():
        for layer, values in layers.items():
            chosen = pd.DataFrame(pairs[(pairs["part"] == part) & (pairs["layer"] == layer)])
            for name, count in (("few", min(few, len(values))), ("all", len(values))):
                found = pd.DataFrame(chosen[chosen["other"] < count])  # rows are in the order of the images
                row = {"part": part, "layer": layer, "set": name, "images": count}
                row["changed"] = float((values[:count] != 0).mean())
                for column in ("", "changed_"):
                    distance = found[f"{column}distance"].dropna().to_numpy()
                    row[f"{column}pairs"] = len(distance)
                    row[f"{column}mean"] = float(distance.mean()) if len(distance) else np.nan
                    row[f"{column}deviation"] = (
                        float(distance.std(ddof=1)) if len(distance) > 1 else 0.0 * row[f"{column}mean"]
                    )
                rows.append(row)
    return pd.DataFrame(rows)
