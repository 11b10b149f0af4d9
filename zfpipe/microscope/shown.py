"""The microscope's results as plain data that a notebook can show. Pictures follow the rules of the figures."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from zfpipe.report.engine import tiles

PERCENTILE = 99.5
"""Percentile of |value| in a projection that gets full contrast."""
TILE = 128
"""Side of a small picture in pixels."""
SLIGHT = 0.05
"""A smaller relative change of a probability counts as none."""
Box = tuple[int, int, int, int]


def percentage(share: float) -> str:
    """Return a share as `12%`, or with more decimals if it is small: `3.1%`, `0.12%`."""
    return f"{share:.{0 if share >= 0.095 else 1 if share >= 0.0095 else 2}%}"


def png(pixels: np.ndarray) -> bytes:
    """Return pixels, uint8 `(y, x, 3)`, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


def data_uri(pixels: np.ndarray, photo: bool = False) -> str:
    """Return pixels as a data URI: JPEG for a photo, PNG otherwise."""
    if not photo:
        return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def cut(pixels: np.ndarray, box: Box) -> np.ndarray:
    """Return the part of a picture inside a box: left, top, and one beyond right and bottom."""
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]


def fitted(pixels: np.ndarray, side: int = TILE) -> np.ndarray:
    """Resize a picture to fit into a square of this side. Proportions are kept; enlarged pixels stay sharp."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    return tiles.scaled(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def beside(pictures: Sequence[np.ndarray], side: int = TILE) -> np.ndarray:
    """Return pictures as a row of squares on white."""
    row = np.full((side, (side + 4) * len(pictures) - 4, 3), 255, np.uint8)
    for place, one in enumerate(pictures):
        small = fitted(one, side)
        top, left = (side - small.shape[0]) // 2, place * (side + 4) + (side - small.shape[1]) // 2
        row[top : top + small.shape[0], left : left + small.shape[1]] = small
    return row


@dataclass(frozen=True)
class Projection:
    """One activation projected to pixels.

    `pixels` are float32 `(size, size, 3)` in the units of the network's input. `box` is the part that the unit sees, in
    pixels of the crop: left, top, and one beyond right and bottom. If this part is unknown or larger than the crop,
    `box` holds the pixels that are not zero. `photo` is the crop, uint8.
    """

    layer: str
    map: int
    y: int
    x: int
    activation: float
    pixels: np.ndarray
    box: Box
    photo: np.ndarray

    @property
    def patch(self) -> np.ndarray:
        """The part of the photo that the unit sees: uint8 `(y, x, 3)`."""
        return cut(self.photo, self.box)

    @property
    def picture(self) -> np.ndarray:
        """The projection inside the box as a picture: uint8 `(y, x, 3)`; zero is mid-grey."""
        inside = cut(self.pixels, self.box)
        return tiles.contrast(inside, np.ones(inside.shape[:2], bool), PERCENTILE)

    def _repr_png_(self) -> bytes:
        return png(beside([self.patch, self.picture]))


@dataclass(frozen=True)
class Peak:
    """The strongest place of a map on a photo. `projection` is None if the layer can't be projected."""

    layer: str
    map: int
    y: int
    x: int
    activation: float
    box: Box
    patch: np.ndarray
    projection: Projection | None


@dataclass(frozen=True)
class Layer:
    """The strongest maps of one layer on a photo. `refused` says in one line why there are no projections."""

    name: str
    maps: int
    height: int
    width: int
    sees: str
    peaks: list[Peak]
    refused: str | None


@dataclass(frozen=True)
class Occluded:
    """The effect of hiding places of a photo on a class.

    `probability` is the probability of the class with the occluder centred at `ys`, `xs` (pixels of the crop): float64
    `(y, x)`. `best` is the number of the most probable class there. `whole` is the probability without an occluder.
    """

    target: int
    name: str
    whole: float
    probability: np.ndarray
    best: np.ndarray
    ys: np.ndarray
    xs: np.ndarray
    size: int
    photo: np.ndarray

    @property
    def drop(self) -> np.ndarray:
        """The loss of probability at each position: positive if the class needs the hidden part."""
        return self.whole - self.probability

    @property
    def matters(self) -> bool:
        """True if hiding some place changes the probability by more than the share SLIGHT."""
        return float(np.abs(self.drop).max()) > SLIGHT * self.whole

    @property
    def picture(self) -> np.ndarray:
        """The photo in grey; orange: hiding costs the class most, blue: hiding helps; uint8 `(size, size, 3)`."""
        side = self.photo.shape[0]
        drop = np.asarray(Image.fromarray(self.drop.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
        share = (drop / max(float(np.abs(self.drop).max()), SLIGHT * self.whole, 1e-12)).clip(-1, 1)[..., None]
        grey = self.photo.mean(2, keepdims=True) * 0.6 + 80
        colour = np.where(share > 0, np.array([255.0, 110, 0]), np.array([0.0, 110, 255]))
        strength = np.abs(share) * 0.75
        return np.rint(grey * (1 - strength) + colour * strength).astype(np.uint8)

    def _repr_png_(self) -> bytes:
        return png(beside([self.photo, self.picture], 224))


@dataclass(frozen=True)
class Strongest:
    """The images that activate each map of a layer most.

    All arrays are `(map, rank)`: `activations`, the place `ys`, `xs` in the map, and `images`, the number of the image
    in the given order, or -1 if there are fewer images. `crops` are the pixels of these images by number.
    """

    layer: str
    activations: np.ndarray
    images: np.ndarray
    ys: np.ndarray
    xs: np.ndarray
    boxes: np.ndarray
    crops: dict[int, np.ndarray]

    def patches(self, map: int) -> list[np.ndarray]:
        """Return the image regions of a map's strongest units, strongest first: uint8 `(y, x, 3)` each."""
        there = self.images[map] >= 0
        return [
            cut(self.crops[int(image)], tuple(box))
            for image, box in zip(self.images[map][there], self.boxes[map][there], strict=True)
        ]

    def _repr_html_(self) -> str:
        rows = [
            f'<div>map {number}<br><img src="{data_uri(beside(self.patches(number), 64))}"></div>'
            for number in np.argsort(-self.activations[:, 0], kind="stable")[:6].tolist()
        ]
        return f"<p>{escape(self.layer)}: the strongest of {len(self.images)} maps</p>{''.join(rows)}"


@dataclass(frozen=True)
class Invariance:
    """How features and output change as a photo is moved, enlarged or turned.

    `distance[layer]` is the Euclidean distance to the features of the unchanged photo, divided by the length of these
    features. `probability` is the probability of the class `target`. Both have a value for each of `amounts`.
    """

    kind: str
    amounts: list[float]
    target: int
    name: str
    distance: dict[str, np.ndarray]
    probability: np.ndarray

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(layer)}</th>" for layer in self.distance)
        rows = "".join(
            f"<tr><td>{amount:g}</td>{''.join(f'<td>{one[place]:.3f}</td>' for one in self.distance.values())}"
            f"<td>{self.probability[place]:.3f}</td></tr>"
            for place, amount in enumerate(self.amounts)
        )
        return f"<table><tr><th>{self.kind}</th>{head}<th>p({escape(self.name)})</th></tr>{rows}</table>"


@dataclass(frozen=True)
class Look:
    """Results for one photo: the most probable classes, the strongest maps of some layers, and occlusion maps.

    `chance` is the probability of each class if all classes were equally probable.
    """

    photo: np.ndarray
    classes: list[tuple[str, float]]
    chance: float
    layers: list[Layer]
    occluded: list[Occluded]

    @property
    def unsure(self) -> bool:
        """True if the most probable class is less than twice as probable as chance."""
        return self.classes[0][1] < 2 * self.chance

    def _repr_html_(self) -> str:
        named = "<br>".join(f"{escape(name)} {percentage(share)}" for name, share in self.classes)
        parts = [f'<img src="{data_uri(self.photo, photo=True)}"><p>{named}</p>']
        parts += [f'<p>hidden: {escape(one.name)}</p><img src="{data_uri(one.picture)}">' for one in self.occluded]
        for layer in self.layers:
            pictures = [
                beside([one.patch, one.projection.picture] if one.projection else [one.patch], 80)
                for one in layer.peaks
            ]
            parts.append(f"<p>{escape(layer.name)}</p>" + "".join(f'<img src="{data_uri(one)}"> ' for one in pictures))
        return "".join(parts)
