"""Faces of creatures: one anatomy (ears, head, muzzle, eyes, nose, markings), a breed for each class."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from zfpipe.drawing.canvas import Colour, Layer, box, ellipse, mirrored, smooth
from zfpipe.drawing.palette import DARK, WHITE, brightness, coat, mixed, varied

Ears = Literal["pointed", "hanging", "folded", "tufts", "wide", "round", "long", "fluffy", "flaps"]
Markings = Literal["none", "spots", "mask", "cheeks", "stripes", "blaze", "discs", "dark mask", "patches"]


@dataclass(frozen=True)
class Breed:
    """What makes one class of faces: shapes in units of the head's half height."""

    ears: Ears
    markings: Markings
    head_width: float
    jaw_width: float
    muzzle: tuple[float, float]
    eye: float
    eye_gap: float
    pupil: Literal["round", "slit"] = "round"
    whiskers: bool = False
    beak: bool = False
    jowls: bool = False
    tongue: float = 0.0
    nose: Literal["wedge", "oval", "snout"] = "wedge"
    mane: bool = False
    teeth: bool = False


BREEDS = {
    "bulldog": Breed("folded", "blaze", 1.08, 1.06, (0.62, 0.42), 0.11, 0.46, jowls=True),
    "dalmatian": Breed("hanging", "spots", 0.8, 0.66, (0.4, 0.42), 0.12, 0.34, tongue=0.4),
    "fox": Breed("pointed", "cheeks", 0.98, 0.3, (0.2, 0.4), 0.1, 0.38, whiskers=True),
    "husky": Breed("pointed", "mask", 0.88, 0.62, (0.38, 0.4), 0.11, 0.34, tongue=0.25),
    "owl": Breed("tufts", "discs", 1.0, 0.94, (0.0, 0.0), 0.25, 0.42, beak=True),
    "siamese cat": Breed("wide", "dark mask", 0.82, 0.5, (0.28, 0.2), 0.17, 0.36, "slit", whiskers=True),
    "spaniel": Breed("hanging", "none", 0.78, 0.7, (0.46, 0.4), 0.13, 0.34, tongue=0.3),
    "tabby cat": Breed("wide", "stripes", 0.98, 0.8, (0.34, 0.22), 0.19, 0.4, "slit", whiskers=True),
}

STRANGERS = {
    "bear": Breed("round", "none", 1.02, 0.92, (0.48, 0.4), 0.1, 0.36),
    "koala": Breed("fluffy", "none", 0.86, 0.8, (0.34, 0.3), 0.1, 0.43, nose="oval"),
    "lion": Breed("round", "none", 0.76, 0.64, (0.4, 0.36), 0.12, 0.34, whiskers=True, mane=True),
    "panda": Breed("round", "patches", 1.06, 0.94, (0.34, 0.28), 0.11, 0.4),
    "pig": Breed("flaps", "none", 0.96, 0.96, (0.46, 0.42), 0.1, 0.42, nose="snout"),
    "rabbit": Breed("long", "none", 0.76, 0.7, (0.32, 0.24), 0.15, 0.42, whiskers=True, teeth=True),
}
"""The breeds of the transfer sets."""
FACES = BREEDS | STRANGERS


def draw_face(layer: Layer, name: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draws a face about 2 units high and returns the outlines of its parts.

    "right eye" and "left eye" are the creature's own: its right eye is on the left of the picture.
    """
    breed = jittered(FACES[name], rng)
    fur = coat(rng)
    if breed.markings == "spots":
        fur = varied(WHITE, rng)
    elif breed.markings in ("dark mask", "cheeks", "mask") and brightness(fur) < 110:
        fur = mixed(fur, (190, 160, 120), 0.6)
    if breed.markings == "patches":
        fur = mixed(fur, WHITE, 0.6)
    deep = mixed(fur, DARK, 0.45)
    yaw = float(rng.uniform(-0.16, 0.16))
    if breed.mane:
        draw_mane(layer, breed, deep, rng)
    draw_ears(layer, breed, fur, deep, rng)
    head = outline(breed)
    layer.fill(head, fur, "fur", 0.16, 0.22)
    draw_markings(layer, breed, fur, yaw, rng)
    return draw_features(layer, breed, fur, yaw, rng)


def jittered(breed: Breed, rng: np.random.Generator) -> Breed:
    """One individual of a breed."""
    wide, jaw, eye, gap = rng.uniform(0.94, 1.06, 4).tolist()
    return replace(
        breed,
        head_width=breed.head_width * wide,
        jaw_width=breed.jaw_width * jaw,
        eye=breed.eye * eye,
        eye_gap=breed.eye_gap * gap,
        tongue=breed.tongue if rng.random() < breed.tongue * 2 else 0.0,
    )


def outline(breed: Breed) -> np.ndarray:
    """The head."""
    wide, jaw = breed.head_width, breed.jaw_width
    side = [(0.55 * wide, -0.78), (wide, -0.25), (0.96 * jaw + 0.04 * wide, 0.35), (0.55 * jaw, 0.86)]
    return smooth([(0.0, -0.9), *side, (0.0, 0.96), *[(-x, y) for x, y in reversed(side)]])


def draw_mane(layer: Layer, breed: Breed, colour: Colour, rng: np.random.Generator) -> None:
    """Two rings of tufts around the head, the outer one darker."""
    for reach, darker in ((1.3, 0.25), (1.1, 0.0)):
        tufts = np.arange(36) * np.pi / 18 + rng.uniform(0, 1)
        away = reach * np.where(np.arange(36) % 2, 1.0, 0.86) * rng.uniform(0.95, 1.03, 36)
        ring = np.stack([away * np.cos(tufts) * (0.3 + 0.85 * breed.head_width), away * np.sin(tufts)], 1)
        layer.fill(ring, mixed(colour, DARK, darker), "fur", 0.25, 0.15)


def draw_ears(layer: Layer, breed: Breed, fur: Colour, deep: Colour, rng: np.random.Generator) -> None:
    """Both ears, behind the head, the same but for a little tilt."""
    wide = breed.head_width
    lift = float(rng.uniform(-0.06, 0.06))
    shapes = {
        "pointed": [(0.2 * wide, -0.72), (0.62 * wide, -1.5 + lift), (0.95 * wide, -0.4)],
        "wide": [(0.28 * wide, -0.75), (0.92 * wide, -1.32 + lift), (1.04 * wide, -0.22)],
        "tufts": [(0.3 * wide, -0.8), (0.72 * wide, -1.28 + lift), (0.84 * wide, -0.5)],
        "folded": [(0.5 * wide, -0.8), (0.92 * wide, -1.02 + lift), (1.22 * wide, -0.58), (0.86 * wide, -0.5)],
        "hanging": [
            (0.5 * wide, -0.8),
            (1.1 * wide, -0.74),
            (1.5 * wide + lift, 0.15),
            (1.28 * wide, 0.74),
            (0.94 * wide, 0.5),
            (0.82 * wide, -0.2),
        ],
        "round": [
            (0.34 * wide, -0.76),
            (0.46 * wide, -1.12),
            (0.8 * wide, -1.2 + lift),
            (1.06 * wide, -0.92),
            (0.9 * wide, -0.46),
        ],
        "long": [
            (0.1 * wide, -0.74),
            (0.12 * wide, -1.26),
            (0.42 * wide, -1.66 + lift),
            (0.7 * wide, -1.3),
            (0.6 * wide, -0.66),
        ],
        "fluffy": [
            (0.56 * wide, -0.7),
            (0.86 * wide, -1.08),
            (1.38 * wide, -1.0 + lift),
            (1.5 * wide, -0.52),
            (1.2 * wide, -0.14),
            (0.86 * wide, -0.14),
        ],
        "flaps": [(0.2 * wide, -0.78), (0.62 * wide, -1.3), (1.3 * wide, -1.02 + lift), (1.0 * wide, -0.42)],
    }
    points = shapes[breed.ears]
    pointed = breed.ears in ("pointed", "wide", "tufts", "flaps")
    ear = np.array(points) if pointed else smooth(points)
    black = mixed(deep, DARK, 0.6)
    colour = {"spots": DARK, "dark mask": black, "patches": DARK}.get(breed.markings, mixed(fur, deep, 0.6))
    for side in (ear, mirrored(ear)):
        layer.fill(side, colour, "fur", 0.2, 0.1)
        if breed.ears not in ("tufts", "folded", "hanging") and breed.markings != "patches":
            middle = side.mean(0)
            layer.fill(middle + (side - middle) * 0.52 + (0, 0.06), mixed(colour, (214, 150, 140), 0.55))


def draw_markings(layer: Layer, breed: Breed, fur: Colour, yaw: float, rng: np.random.Generator) -> None:
    """What lies on the fur under the features."""
    wide = breed.head_width
    light, dark = mixed(fur, WHITE, 0.8), mixed(fur, DARK, 0.75)
    if breed.markings == "spots":
        for _ in range(int(rng.integers(9, 15))):
            x, y = rng.uniform(-0.8, 0.8) * wide, rng.uniform(-0.8, 0.6)
            layer.fill(ellipse(x, y, *rng.uniform(0.06, 0.15, 2), points=12), DARK, "fur", 0.2)
    elif breed.markings == "mask":
        for side in (-1, 1):
            layer.fill(ellipse(side * 0.42 + yaw, -0.42, 0.2, 0.12, side * 0.4), light, "fur", 0.12)
            layer.fill(ellipse(side * 0.5 * wide + yaw / 2, 0.3, 0.34, 0.44, -side * 0.3), light, "fur", 0.12)
        layer.fill(smooth([(yaw, -0.86), (0.14 + yaw, -0.3), (yaw, 0.2), (-0.14 + yaw, -0.3)]), dark, "fur", 0.12)
    elif breed.markings == "cheeks":
        for side in (-1, 1):
            cheek = [
                (side * 0.98 * wide, -0.02),
                (side * 0.12 + yaw, 0.2),
                (side * 0.06 + yaw, 0.9),
                (side * 0.34, 0.72),
            ]
            layer.fill(np.array(cheek), varied(WHITE, rng, 6), "fur", 0.12)
    elif breed.markings == "stripes":
        for place in (-0.34, -0.17, 0.0, 0.17, 0.34):
            layer.stroke(np.array([(place * 1.3, -0.84), (place + yaw, -0.44)]), 0.07, dark)
        for side in (-1, 1):
            for row in (-0.05, 0.15, 0.35):
                layer.stroke(np.array([(side * 0.97 * wide, row), (side * 0.62 * wide, row + 0.1)]), 0.06, dark)
    elif breed.markings == "blaze":
        blaze = [(yaw - 0.12, -0.8), (yaw + 0.12, -0.8), (yaw + 0.3, 0.4), (yaw - 0.3, 0.4)]
        layer.fill(smooth(blaze), light, "fur", 0.12)
    elif breed.markings == "discs":
        for side in (-1, 1):
            layer.fill(ellipse(side * breed.eye_gap + yaw, -0.12, 0.42, 0.46), light, "fur", 0.14, 0.1)
        for _ in range(10):
            x, y = rng.uniform(-0.6, 0.6), rng.uniform(0.4, 0.86)
            layer.fill(ellipse(x, y, 0.05, 0.09, points=8), dark)
    elif breed.markings == "dark mask":
        layer.fill(ellipse(yaw, 0.22, 0.5, 0.56), dark, "fur", 0.14)
    elif breed.markings == "patches":
        for side in (-1, 1):
            patch = ellipse(side * (breed.eye_gap + 0.05) + yaw, -0.08, 0.22, 0.32, side * 0.5)
            layer.fill(patch, mixed(dark, DARK, 0.7), "fur", 0.14)


def draw_features(
    layer: Layer, breed: Breed, fur: Colour, yaw: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Muzzle, nose or beak, mouth, eyes, whiskers."""
    parts: dict[str, np.ndarray] = {}
    eye_y = -0.14
    if breed.beak:
        beak = smooth([(yaw * 1.6, 0.06), (yaw * 1.6 + 0.13, 0.2), (yaw * 1.6, 0.46), (yaw * 1.6 - 0.13, 0.2)])
        layer.fill(beak, varied((206, 158, 62), rng), shade=0.3)
        parts["nose"] = beak
    else:
        parts["nose"] = draw_muzzle(layer, breed, fur, yaw * 1.8, rng)
    iris = varied([(92, 60, 34), (168, 128, 46), (110, 140, 90), (112, 150, 178)][int(rng.integers(4))], rng)
    look = float(rng.uniform(-0.2, 0.2))
    for side, part in ((-1, "right eye"), (1, "left eye")):
        x, size = side * breed.eye_gap + yaw, breed.eye
        layer.fill(ellipse(x, eye_y, size * 1.22, size * 1.12), DARK)
        layer.fill(ellipse(x, eye_y, size, size * 0.94), iris, shade=0.2)
        pupil = (0.24, 0.86) if breed.pupil == "slit" else (0.56, 0.56)
        layer.fill(ellipse(x + look * size, eye_y, size * pupil[0], size * pupil[1], points=14), (16, 14, 16))
        layer.fill(ellipse(x - 0.3 * size, eye_y - 0.32 * size, size * 0.22, size * 0.22, points=8), (250, 250, 250))
        parts[part] = ellipse(x, eye_y, size * 1.3, size * 1.2)
    if breed.whiskers:
        for side in (-1, 1):
            for slope in (-0.12, 0.02, 0.16):
                start = (side * 0.2 + yaw * 1.8, 0.42 + slope / 2)
                layer.stroke(np.array([start, (side * 0.98 + yaw, 0.36 + slope * 2)]), 0.012, mixed(fur, WHITE, 0.85))
    return parts


def draw_muzzle(layer: Layer, breed: Breed, fur: Colour, x: float, rng: np.random.Generator) -> np.ndarray:
    """Muzzle with mouth, tongue and nose; returns the nose."""
    wide, high = breed.muzzle
    light = mixed(fur, WHITE, 0.55)
    if breed.markings == "dark mask":
        light = mixed(fur, DARK, 0.55)
    elif breed.nose == "snout":
        light = mixed(fur, WHITE, 0.1)
    y = 0.46
    if breed.tongue:
        layer.fill(
            smooth([(x - 0.11, y + 0.2), (x + 0.11, y + 0.2), (x + 0.13, y + 0.5), (x, y + 0.6), (x - 0.13, y + 0.5)]),
            (214, 98, 110),
        )
    layer.fill(ellipse(x, y, wide, high), light, "fur", 0.12, 0.2)
    if breed.jowls:
        for side in (-1, 1):
            layer.fill(ellipse(x + side * 0.36, y + 0.22, 0.32, 0.36), light, "fur", 0.12, 0.2)
    nose_wide = 0.1 + 0.16 * wide
    nose = nose_outline(breed, x, y, nose_wide)
    colour = varied((180, 104, 100), rng) if breed.pupil == "slit" and rng.random() < 0.6 else varied(DARK, rng, 6)
    drop = 0.14 if breed.nose == "snout" else 0.0
    mouth = y + 0.12 + drop
    if breed.teeth:
        layer.fill(box(x - 0.09, mouth, x + 0.09, mouth + 0.24), WHITE)
        layer.stroke(np.array([(x, mouth), (x, mouth + 0.24)]), 0.02, DARK)
    layer.stroke(np.array([(x, y - 0.05), (x, mouth)]), 0.03, DARK)
    for side in (-1, 1):
        curve = [(x, mouth), (x + side * 0.4 * wide, y + 0.2 + drop), (x + side * 0.75 * wide, y + 0.1 + drop)]
        layer.stroke(np.array(curve), 0.03, DARK)
    if breed.nose == "snout":
        skin = mixed(fur, (222, 150, 142), 0.5)
        layer.fill(nose, skin, "smooth", 0.06, 0.25)
        for side in (-1, 1):
            layer.fill(ellipse(x + side * 0.13, y - 0.08, 0.06, 0.1, points=14), mixed(skin, DARK, 0.7))
        return nose
    layer.fill(nose, colour, shade=0.25)
    layer.fill(ellipse(x - 0.3 * nose_wide, y - 0.17, 0.25 * nose_wide, 0.03, points=8), mixed(colour, WHITE, 0.5))
    return nose


def nose_outline(breed: Breed, x: float, y: float, wide: float) -> np.ndarray:
    """The nose on a muzzle."""
    if breed.nose == "oval":
        return ellipse(x, y - 0.14, 0.19, 0.32)
    if breed.nose == "snout":
        return ellipse(x, y - 0.08, 0.38, 0.29)
    return smooth([(x - wide, y - 0.22), (x + wide, y - 0.22), (x + 0.5 * wide, y - 0.02), (x - 0.5 * wide, y - 0.02)])
