"""Faces of creatures: one anatomy (ears, head, muzzle, eyes, nose), a breed for each family."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from zfpipe.drawing.canvas import Colour, Layer, box, ellipse, mirrored, smooth
from zfpipe.drawing.palette import DARK, WHITE, coat, mixed, varied

Ears = Literal["pointed", "hanging", "tufts", "wide", "round", "long"]
Carrier = Literal["ears", "coat", "discs", "muzzle", "mane", "sides"]
"""A part that carries a pattern; "sides": a dark ear and a dark patch around an eye."""


@dataclass(frozen=True)
class Breed:
    """Shapes that all members of a family of faces share, in units of the head's half height.

    Each individual has one of the breed's kinds of ears. `carriers` are the parts that distinguish the members.
    """

    ears: tuple[Ears, ...]
    carriers: tuple[Carrier, Carrier]
    head_width: float
    jaw_width: float
    muzzle: tuple[float, float]
    eye: float
    eye_gap: float
    pupil: Literal["round", "slit"] = "round"
    whiskers: bool = False
    beak: bool = False
    tongue: float = 0.0
    teeth: bool = False


FACES = {
    "cat": Breed(("wide", "pointed"), ("coat", "sides"), 0.96, 0.78, (0.32, 0.22), 0.18, 0.4, "slit", whiskers=True),
    "dog": Breed(("hanging", "pointed"), ("ears", "coat"), 0.84, 0.7, (0.42, 0.36), 0.12, 0.36, tongue=0.4),
    "owl": Breed(("tufts",), ("discs", "coat"), 1.0, 0.94, (0.0, 0.0), 0.2, 0.44, beak=True),
    "bear": Breed(("round",), ("muzzle", "coat"), 1.02, 0.92, (0.56, 0.44), 0.1, 0.38),
    "lion": Breed(("round",), ("mane", "coat"), 0.76, 0.64, (0.4, 0.36), 0.12, 0.34, whiskers=True),
    "rabbit": Breed(("long",), ("ears", "coat"), 0.76, 0.7, (0.32, 0.24), 0.15, 0.42, whiskers=True, teeth=True),
}


def draw_face(layer: Layer, first: str, second: str, rng: np.random.Generator, *, name: str) -> dict[str, np.ndarray]:
    """Draw a face about 2 units high, and return the outlines of its parts.

    `first` and `second` are the patterns of the breed's two carriers. "right eye" and "left eye" are the creature's
    own: its right eye is on the left of the picture.
    """
    breed = jittered(FACES[name], rng)
    carried: dict[Carrier, str] = dict(zip(breed.carriers, (first, second), strict=True))
    fur = coat(rng)
    deep = mixed(fur, DARK, 0.45)
    yaw = float(rng.uniform(-0.16, 0.16))
    if "mane" in carried:
        draw_mane(layer, breed, deep, carried["mane"], rng)
    dark = 0  # the side of the dark ear, if there is one
    if "sides" in carried:
        dark = 1 if rng.random() < 0.5 else -1
    draw_ears(layer, breed, fur, deep, carried.get("ears", ""), dark, rng)
    layer.fill(outline(breed), fur, "fur", 0.12, 0.22, carried.get("coat", ""))
    if dark:
        side = dark if carried["sides"] == "same" else -dark
        for place, colour in ((side, DARK), (-side, WHITE)):  # from the ear down to the eye
            patch = ellipse(place * breed.eye_gap + yaw, -0.3, 0.36, 0.54)
            layer.fill(patch, mixed(fur, colour, 0.85 if colour == DARK else 0.6), "fur", 0.1)
    if "discs" in carried:
        for side in (-1, 1):
            layer.fill(ellipse(side * breed.eye_gap + yaw, -0.12, 0.46, 0.5), fur, "fur", 0.12, 0.1, carried["discs"])
            layer.stroke(ellipse(side * breed.eye_gap + yaw, -0.12, 0.46, 0.5), 0.04, deep, closed=True)
    return draw_features(layer, breed, fur, yaw, carried.get("muzzle", ""), rng)


def jittered(breed: Breed, rng: np.random.Generator) -> Breed:
    """One individual of a breed."""
    wide, jaw, eye, gap = rng.uniform(0.94, 1.06, 4).tolist()
    return replace(
        breed,
        ears=(breed.ears[int(rng.integers(len(breed.ears)))],),
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


def draw_mane(layer: Layer, breed: Breed, colour: Colour, pattern: str, rng: np.random.Generator) -> None:
    """Two rings of tufts around the head, the outer one darker."""
    for reach, darker in ((1.3, 0.25), (1.1, 0.0)):
        tufts = np.arange(36) * np.pi / 18 + rng.uniform(0, 1)
        away = reach * np.where(np.arange(36) % 2, 1.0, 0.86) * rng.uniform(0.95, 1.03, 36)
        ring = np.stack([away * np.cos(tufts) * (0.3 + 0.85 * breed.head_width), away * np.sin(tufts)], 1)
        layer.fill(ring, mixed(colour, DARK, darker), "fur", 0.2, 0.15, pattern)


def draw_ears(
    layer: Layer, breed: Breed, fur: Colour, deep: Colour, pattern: str, dark: int, rng: np.random.Generator
) -> None:
    """Both ears, behind the head; the one on the side `dark`, -1 or 1, is dark and the other light."""
    wide = breed.head_width
    lift = float(rng.uniform(-0.06, 0.06))
    shapes = {
        "pointed": [(0.2 * wide, -0.72), (0.62 * wide, -1.5 + lift), (0.95 * wide, -0.4)],
        "wide": [(0.28 * wide, -0.75), (0.92 * wide, -1.32 + lift), (1.04 * wide, -0.22)],
        "tufts": [(0.3 * wide, -0.8), (0.72 * wide, -1.28 + lift), (0.84 * wide, -0.5)],
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
    }
    (kind,) = breed.ears
    ear = np.array(shapes[kind]) if kind in ("pointed", "wide", "tufts") else smooth(shapes[kind])
    plain = mixed(fur, deep, 0.6)
    for side, points in ((1, ear), (-1, mirrored(ear))):
        colour = {dark: mixed(fur, DARK, 0.85), -dark: mixed(fur, WHITE, 0.6)}[side] if dark else plain
        layer.fill(points, colour, "fur", 0.14, 0.1, pattern)
        layer.stroke(points, 0.03, mixed(colour, DARK, 0.5), closed=True)
        if kind == "round":
            middle = points.mean(0)
            layer.fill(middle + (points - middle) * 0.52 + (0, 0.06), mixed(colour, (214, 150, 140), 0.55))


def draw_features(
    layer: Layer, breed: Breed, fur: Colour, yaw: float, muzzle: str, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Muzzle, nose or beak, mouth, eyes, whiskers."""
    parts: dict[str, np.ndarray] = {}
    eye_y = -0.14
    if breed.beak:
        beak = smooth([(yaw * 1.6, 0.06), (yaw * 1.6 + 0.13, 0.2), (yaw * 1.6, 0.46), (yaw * 1.6 - 0.13, 0.2)])
        layer.fill(beak, varied((206, 158, 62), rng), shade=0.3)
        parts["nose"] = beak
    else:
        parts["nose"] = draw_muzzle(layer, breed, fur, yaw * 1.8, muzzle, rng)
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


def draw_muzzle(
    layer: Layer, breed: Breed, fur: Colour, x: float, pattern: str, rng: np.random.Generator
) -> np.ndarray:
    """Draw the muzzle with mouth, tongue and nose; return the outline of the nose."""
    wide, high = breed.muzzle
    light = mixed(fur, WHITE, 0.55)
    y = 0.46
    if breed.tongue:
        layer.fill(
            smooth([(x - 0.11, y + 0.2), (x + 0.11, y + 0.2), (x + 0.13, y + 0.5), (x, y + 0.6), (x - 0.13, y + 0.5)]),
            (214, 98, 110),
        )
    layer.fill(ellipse(x, y, wide, high), light, "fur", 0.12, 0.2, pattern)
    nose_wide = 0.1 + 0.16 * wide
    nose = smooth(
        [
            (x - nose_wide, y - 0.22),
            (x + nose_wide, y - 0.22),
            (x + 0.5 * nose_wide, y - 0.02),
            (x - 0.5 * nose_wide, y - 0.02),
        ]
    )
    colour = varied((180, 104, 100), rng) if breed.pupil == "slit" and rng.random() < 0.6 else varied(DARK, rng, 6)
    mouth = y + 0.12
    if breed.teeth:
        layer.fill(box(x - 0.09, mouth, x + 0.09, mouth + 0.24), WHITE)
        layer.stroke(np.array([(x, mouth), (x, mouth + 0.24)]), 0.02, DARK)
    layer.stroke(np.array([(x, y - 0.05), (x, mouth)]), 0.03, DARK)
    for side in (-1, 1):
        curve = [(x, mouth), (x + side * 0.4 * wide, y + 0.2), (x + side * 0.75 * wide, y + 0.1)]
        layer.stroke(np.array(curve), 0.03, DARK)
    layer.fill(nose, colour, shade=0.25)
    layer.fill(ellipse(x - 0.3 * nose_wide, y - 0.17, 0.25 * nose_wide, 0.03, points=8), mixed(colour, WHITE, 0.5))
    return nose
