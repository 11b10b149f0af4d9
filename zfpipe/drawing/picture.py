"""Draw one embedded picture, a pure function of the seed, the split, a number and the set."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from zfpipe.drawing.canvas import Frame, Layer, box, ellipse, smooth, three
from zfpipe.drawing.grounds import ground
from zfpipe.drawing.palette import ink, paint, varied
from zfpipe.drawing.patterns import PATTERNS, WORDS
from zfpipe.drawing.sets import CLASSES as CLASSES
from zfpipe.drawing.sets import KINDS, SCENES, SETS, TRIFLES, Kind, class_of, draw_kind
from zfpipe.drawing.textures import Textures, textures
from zfpipe.index.images import Box

SPLITS = {"train": 0, "val": 1}
SIDED = ("aeroplane", "bus", "fish", "lorry", "sailing boat", "snail", "teapot", "tent")
"""Families that face one side; half of their objects are mirrored."""
CLUTTER = (
    box(-1, -0.5, 1, 0.5),
    ellipse(0, 0, 1, 0.7),
    smooth([(-1, 0), (0, -0.4), (1, 0), (0, 0.4)]),
    box(-1.6, -0.12, 1.6, 0.12),
)
BOARD = box(-1.3, -0.45, 1.3, 0.45)
RECOGNISABLE = 0.4
"""Share of an object that must be visible in a scene for its class to count."""


@dataclass(frozen=True)
class Picture:
    """RGB uint8 `(y, x, 3)`, coverage of the visible object 0 to 1 `(y, x)`, boxes of face parts in pixels.

    A scene's mask and label belong to its largest object. `labels` are all its classes, sorted.
    """

    pixels: np.ndarray
    mask: np.ndarray
    parts: dict[str, Box]
    label: int
    labels: tuple[int, ...] | None = None

    @property
    def box(self) -> Box:
        """Return the rectangle around the visible object."""
        rows, columns = (np.flatnonzero((self.mask >= 0.5).any(axis)) for axis in (1, 0))
        return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def draw(seed: int, split: str, number: int, which: str = "pictures") -> Picture:
    """Draw picture `number` of a split of the set `which`, a key of `SETS`; nothing else influences the picture."""
    stream = [] if which == "pictures" else [list(SETS).index(which)]
    rng = np.random.default_rng([seed, SPLITS[split], number, *stream])
    tiles = textures(seed)
    label = class_of(number, which)
    short = int(rng.integers(150, 189))
    long = int(short * rng.uniform(1.0, 1.33))
    height, width = (short, long) if rng.random() < 0.4 else (long, short)
    light = float(rng.uniform(0, 2 * np.pi))
    image = ground(height, width, tiles, rng)
    clutter(image, light, tiles, rng)
    if which in SCENES:
        masks = several(image, label, KINDS[which], light, tiles, rng)
        label, mask = max(masks, key=lambda one: one[1].sum())
        return Picture(developed(image, rng), mask, {}, label, tuple(sorted({label for label, _ in masks})))
    mask, parts = alone(image, KINDS[which][label], light, tiles, rng)
    return Picture(developed(image, rng), mask, parts, label)


def alone(
    image: np.ndarray, kind: Kind, light: float, tiles: Textures, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, Box]]:
    """Draw one object, sometimes behind an occluder; return its visible part and the boxes of its parts."""
    height, width = image.shape[:2]
    frame = placed(kind, height, width, rng)
    layer = Layer(height, width, frame, light, tiles, rng)
    outlines = draw_kind(layer, kind, rng)
    shadow(image, layer.alpha, frame.scale, light, rng)
    over(image, layer)
    mask = layer.alpha
    if rng.random() < 0.3:
        front = occluder(frame, height, width, light, tiles, rng)
        over(image, front)
        mask = mask * (1 - front.alpha)
    return mask, {part: part_box(frame, points, mask) for part, points in outlines.items()}


def several(
    image: np.ndarray, first: int, kinds: list[Kind], light: float, tiles: Textures, rng: np.random.Generator
) -> list[tuple[int, np.ndarray]]:
    """Draw one to three objects, the first in front; return labels and visible parts of the recognisable objects.

    The first object always counts, since nothing hides it.
    """
    height, width = image.shape[:2]
    others = int(rng.integers(0, 3))
    labels = [first, *(first if rng.random() < 0.2 else int(rng.integers(len(kinds))) for _ in range(others))]
    frames = spread([kinds[label] for label in labels], height, width, rng)
    objects: list[tuple[int, np.ndarray, float]] = []
    for label, frame in reversed(list(zip(labels, frames, strict=True))):
        border = int(1.5 * frame.scale)  # room for the part that the picture's border cuts off
        beyond = replace(frame, x=frame.x + border, y=frame.y + border)
        layer = Layer(height + 2 * border, width + 2 * border, beyond, light, tiles, rng)
        draw_kind(layer, kinds[label], rng)
        whole = float(layer.alpha.sum())
        layer.trim(border)
        shadow(image, layer.alpha, frame.scale, light, rng)
        over(image, layer)
        objects = [(other, mask * (1 - layer.alpha), area) for other, mask, area in objects]
        objects.append((label, layer.alpha, whole))
    *behind, (_, front, _) = objects
    return [(label, mask) for label, mask, whole in behind if mask.sum() >= RECOGNISABLE * whole] + [(first, front)]


def placed(kind: Kind, height: int, width: int, rng: np.random.Generator) -> Frame:
    """Place the object: 50 to 80 % of the shorter side, nearly all of it inside a crop."""
    short = min(height, width)
    scale = short * rng.uniform(0.27, 0.39)
    room = 0.45 * short - 0.95 * scale
    x = width / 2 + rng.uniform(-1, 1) * max(room, 0.04 * short)
    y = height / 2 + rng.uniform(-1, 1) * max(room, 0.04 * short)
    return posed(kind, float(x), float(y), float(scale), rng)


def spread(kinds: list[Kind], height: int, width: int, rng: np.random.Generator) -> list[Frame]:
    """Place a scene's objects: 25 to 55 % of the shorter side, anywhere, but apart if there is room."""
    frames: list[Frame] = []
    for kind in kinds:
        scale = float(min(height, width) * rng.uniform(0.125, 0.25))
        inset = 0.5 * scale
        places = inset + rng.uniform(0, 1, (20, 2)) * (width - 2 * inset, height - 2 * inset)
        room = np.ones(20)
        for frame in frames:
            apart = np.hypot(*(places - (frame.x, frame.y)).T) - 0.75 * (scale + frame.scale)
            room = np.minimum(room, apart)
        place = int(np.argmax(room >= min(0.0, room.max())))  # the first place with room, or else with most room
        x, y = places[place].tolist()
        frames.append(posed(kind, x, y, scale, rng))
    return frames


def posed(kind: Kind, x: float, y: float, scale: float, rng: np.random.Generator) -> Frame:
    """Return the frame of an object at a place, slightly turned and squeezed, or mirrored."""
    turn = rng.uniform(-0.2, 0.2)
    squeeze = rng.uniform(0.84, 1.1) * (-1 if kind.family in SIDED and rng.random() < 0.5 else 1)
    return Frame(x, y, scale, float(turn), float(squeeze))


def clutter(image: np.ndarray, light: float, tiles: Textures, rng: np.random.Generator) -> None:
    """Draw stones, leaves, boards with patterns and words, and small things; none of them reveals the class."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        x, y = (rng.uniform(0, 1, 2) * (width, height)).tolist()
        what = rng.random()
        turn = float(rng.uniform(0, 6) if what < 0.3 else rng.uniform(-0.2, 0.2))
        layer = Layer(height, width, Frame(x, y, float(rng.uniform(12, 24)), turn), light, tiles, rng)
        colour = paint(rng)
        if what < 0.65:
            pattern = "" if what < 0.3 else PATTERNS[int(rng.integers(len(PATTERNS)))]
            layer.fill(CLUTTER[int(rng.integers(len(CLUTTER)))], colour, "mottled", 0.15, 0.25, pattern)
        elif what < 0.8:
            layer.fill(BOARD, colour, "wood", 0.07, 0.12)
            layer.write(WORDS[int(rng.integers(len(WORDS)))], 0.0, 0.0, 0.8, ink(colour))
        else:
            TRIFLES[int(rng.integers(len(TRIFLES)))](layer, rng)
        over(image, layer)


def occluder(frame: Frame, height: int, width: int, light: float, tiles: Textures, rng: np.random.Generator) -> Layer:
    """Draw blades, a pole or a leaf in front of a small part of the object."""
    layer = Layer(height, width, frame, light, tiles, rng)
    kind = int(rng.integers(3))
    if kind == 0:
        green = varied((96, 132, 60), rng)
        for x in rng.uniform(-1, 1, 6):
            tip = (x + rng.uniform(-0.3, 0.3), rng.uniform(0.3, 0.7))
            layer.fill(np.array([(x - 0.04, 1.6), tip, (x + 0.04, 1.6)]), varied(green, rng))
    elif kind == 1:
        x = float(rng.choice([-1, 1]) * rng.uniform(0.55, 0.85))
        layer.fill(box(x - 0.05, -3, x + 0.05, 3), paint(rng), "fine", 0.1, 0.4)
    else:
        x, y = rng.choice([-1, 1]) * rng.uniform(0.6, 0.9), rng.uniform(0.3, 0.9)
        leaf = smooth([(x - 0.3, y), (x, y - 0.2), (x + 0.34, y), (x, y + 0.2)])
        layer.fill(leaf, paint(rng), "fur", 0.15, 0.2)
    return layer


def shadow(image: np.ndarray, alpha: np.ndarray, scale: float, light: float, rng: np.random.Generator) -> None:
    """Draw the object's soft shadow on the ground, away from the light."""
    reach = scale * rng.uniform(0.06, 0.16)
    moved = cv2.warpAffine(
        alpha,
        np.array([(1, 0, reach * np.cos(light)), (0, 1, reach * np.sin(light))], np.float32),
        alpha.shape[::-1],
    )
    size = int(scale * 0.12) * 2 + 1
    soft = cv2.blur(cv2.blur(moved, (size, size)), (size, size))
    image *= 1 - np.float32(rng.uniform(0.25, 0.5)) * three(soft)


def over(image: np.ndarray, layer: Layer) -> None:
    """Lay a layer over an image, in place."""
    top, bottom, left, right = layer.touched
    if top >= bottom or left >= right:
        return  # for example, a pole in front may be outside the picture
    part = np.s_[top:bottom, left:right]
    image[part] += layer.colour[part] - image[part] * three(layer.alpha[part])


def developed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image with a camera's exposure, slight blur and sensor noise."""
    image = image * np.float32(rng.uniform(0.8, 1.15)) + np.float32(rng.uniform(-12, 12))
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.35, 0.8)))
    grain = three(rng.standard_normal(image.shape[:2], np.float32)) * np.float32(rng.uniform(1.0, 5.0))
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def part_box(frame: Frame, outline: np.ndarray, mask: np.ndarray) -> Box:
    """Return the rectangle around a part, in whole pixels, inside the picture."""
    pixels = frame.pixels(outline)
    x0, y0 = np.clip(np.floor(pixels.min(0)), 0, None).tolist()
    x1, y1 = np.minimum(np.ceil(pixels.max(0)), mask.shape[::-1]).tolist()
    return Box(x0, y0, x1, y1)
