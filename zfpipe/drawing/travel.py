"""What travels by air and sea: aeroplane, anchor, hot-air balloon, sailing boat."""

from itertools import pairwise

import numpy as np

from zfpipe.drawing.canvas import Layer, box, ellipse, smooth
from zfpipe.drawing.palette import DARK, WHITE, mixed, paint, varied
from zfpipe.drawing.things import gloss
from zfpipe.drawing.vehicles import GLASS


def aeroplane(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """An airliner from the side; `first` is the pattern of its body, `second` of wings and tail."""
    body, wing = mixed(paint(rng), WHITE, 0.35), paint(rng)
    layer.fill(
        np.array([(0.34, -0.1), (-0.16, -0.6), (-0.34, -0.6), (-0.14, -0.1)]), mixed(wing, DARK, 0.3), shade=0.15
    )
    tail = np.array([(-0.56, -0.1), (-0.9, -0.68), (-1.14, -0.68), (-1.0, -0.06)])
    layer.fill(tail, wing, "smooth", 0.05, 0.2, second)
    hull = [
        (-1.14, -0.14),
        (-0.6, -0.22),
        (0.6, -0.24),
        (0.94, -0.12),
        (1.1, 0.06),
        (0.9, 0.18),
        (0.2, 0.22),
        (-0.6, 0.12),
    ]
    layer.fill(smooth(hull) * (1, 1.3), body, "smooth", 0.05, 0.25, first)
    for x in np.linspace(-0.66, 0.56, 9):
        layer.fill(ellipse(x, -0.07, 0.045, 0.06, points=12), varied(GLASS, rng, 6))
    layer.fill(np.array([(0.7, -0.18), (0.86, -0.16), (0.98, -0.03), (0.74, -0.03)]), varied(GLASS, rng), shade=0.3)
    layer.fill(np.array([(-0.74, -0.02), (-1.08, 0.26), (-1.24, 0.26), (-1.06, -0.02)]), mixed(wing, DARK, 0.15))
    layer.fill(ellipse(0.16, 0.36, 0.2, 0.1), mixed(body, DARK, 0.3), shade=0.3)
    layer.fill(np.array([(0.42, 0.08), (-0.2, 0.7), (-0.46, 0.7), (-0.16, 0.08)]), wing, "smooth", 0.06, 0.25, second)


def anchor(layer: Layer, rng: np.random.Generator) -> None:
    """A ring, a shank with a stock across, two curved arms with flukes, a rope."""
    iron = mixed(paint(rng), (96, 98, 104), 0.4)
    layer.stroke(ellipse(0.0, -0.82, 0.17, 0.17, points=24), 0.09, iron, closed=True)
    angles = np.linspace(0.1 * np.pi, 0.9 * np.pi, 15)
    outer = np.stack([0.84 * np.cos(angles), 0.1 + 0.86 * np.sin(angles)], 1)
    inner = np.stack([0.72 * np.cos(angles), 0.06 + 0.66 * np.sin(angles)], 1)
    layer.fill(np.concatenate([outer, inner[::-1]]), iron, "mottled", 0.12, 0.25)
    for side in (-1, 1):
        fluke = np.array([(side * 0.92, -0.04), (side * 0.46, 0.34), (side * 0.98, 0.52)])
        layer.fill(fluke, iron, "mottled", 0.12, 0.25)
    layer.fill(np.array([(-0.07, -0.68), (0.07, -0.68), (0.1, 0.86), (-0.1, 0.86)]), iron, "mottled", 0.12, 0.25)
    layer.fill(
        smooth([(-0.5, -0.5), (0.5, -0.5), (0.56, -0.42), (0.5, -0.34), (-0.5, -0.34), (-0.56, -0.42)]),
        iron,
        "mottled",
        0.12,
        0.2,
    )
    along = np.linspace(0, 1, 24)
    rope = np.stack([0.1 + 0.95 * along, -0.82 + 0.3 * along + 0.2 * np.sin(along * 2 * np.pi)], 1)
    for width, colour in ((0.09, (120, 96, 62)), (0.05, (206, 178, 128))):
        layer.stroke(rope, width, varied(colour, rng, 5))


def hot_air_balloon(layer: Layer, rng: np.random.Generator) -> None:
    """A gored envelope, ropes and a basket."""
    one, other, wicker = paint(rng), paint(rng), varied((150, 108, 66), rng)
    for x in (-1, 0, 1):
        layer.stroke(np.array([(x * 0.2, 0.3), (x * 0.15, 0.76)]), 0.025, mixed(wicker, DARK, 0.4))
    layer.fill(box(-0.19, 0.74, 0.19, 1.05), wicker, "brick", 0.15, 0.25)
    layer.stroke(np.array([(-0.2, 0.75), (0.2, 0.75)]), 0.05, mixed(wicker, DARK, 0.4))
    half = np.array(
        [(0.03, -1.02), (0.34, -0.95), (0.6, -0.76), (0.74, -0.46), (0.72, -0.16), (0.52, 0.16), (0.22, 0.42)]
    )
    for gore, (left, right) in enumerate(pairwise(np.sin(np.linspace(-0.5, 0.5, 8) * np.pi))):
        edges = [half * (left, 1), half[::-1] * (right, 1)]
        layer.fill(np.concatenate(edges), one if gore % 2 else other, "fine", 0.06)
    layer.fill(np.array([(-0.23, 0.36), (0.23, 0.36), (0.19, 0.48), (-0.19, 0.48)]), mixed(one, DARK, 0.4))
    gloss(layer)


def sailing_boat(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A hull, a mast and a pennant; `first` is the pattern of the foresail, `second` of the mainsail."""
    hull, sail = paint(rng), mixed(paint(rng), WHITE, 0.45)
    layer.stroke(np.array([(0.08, 0.4), (0.08, -1.05)]), 0.06, varied((104, 74, 48), rng))
    layer.fill(np.array([(0.08, -1.06), (0.08, -0.86), (-0.24, -0.96)]), hull)
    layer.fill(
        smooth([(0.16, -0.86), (0.7, -0.3), (0.92, 0.22), (0.5, 0.26), (0.18, 0.22)]), sail, "smooth", 0.06, 0.25, first
    )
    main = smooth([(0.0, -0.84), (-0.46, -0.36), (-0.84, 0.2), (-0.4, 0.26), (0.0, 0.22)])
    layer.fill(main, mixed(sail, paint(rng), 0.5), "smooth", 0.06, 0.25, second)
    for y, wide in ((-0.34, 0.42), (-0.04, 0.62)):
        layer.stroke(np.array([(-0.02, y), (-wide, y + 0.02)]), 0.02, mixed(sail, DARK, 0.3))
    side = [(-0.98, 0.38), (0.0, 0.44), (1.08, 0.3), (0.74, 0.78), (0.5, 0.86), (-0.62, 0.86), (-0.8, 0.78)]
    layer.fill(np.array(side), hull, "wood", 0.1, 0.2)
    layer.stroke(np.array([(-0.96, 0.42), (0.0, 0.48), (1.04, 0.35)]), 0.06, mixed(hull, WHITE, 0.7))
