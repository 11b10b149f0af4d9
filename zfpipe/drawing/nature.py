"""Flowers, a mushroom, a butterfly and a fish."""

import numpy as np

from zfpipe.drawing.canvas import Layer, ellipse, mirrored, smooth
from zfpipe.drawing.palette import DARK, WHITE, mixed, paint, varied


def stem(layer: Layer, bottom: float, rng: np.random.Generator) -> None:
    """A stem with two leaves."""
    green = varied((74, 118, 56), rng)
    bend = float(rng.uniform(-0.12, 0.12))
    layer.stroke(np.array([(0.0, 0.1), (bend, 0.5), (0.0, bottom)]), 0.07, green)
    for side, y in ((-1, 0.62), (1, 0.72)):
        leaf = [(bend, y + 0.1), (side * 0.26, y - 0.22), (side * 0.5, y - 0.3), (side * 0.3, y + 0.02)]
        layer.fill(smooth(leaf), mixed(green, WHITE, 0.1), "fine", 0.1, 0.2)


def daisy(layer: Layer, rng: np.random.Generator) -> None:
    """Many narrow petals around a disc."""
    stem(layer, 1.2, rng)
    petals, colour = int(rng.integers(10, 15)), paint(rng)
    for angle in np.arange(petals) * 2 * np.pi / petals + rng.uniform(0, 1):
        x, y = 0.46 * np.cos(angle), -0.2 + 0.46 * np.sin(angle)
        layer.fill(ellipse(x, y, 0.3, 0.1, angle, 16), mixed(colour, WHITE, rng.uniform(0.2, 0.4)), "fine", 0.06, 0.2)
    layer.fill(ellipse(0.0, -0.2, 0.22, 0.22), varied((222, 176, 50), rng), "mottled", 0.16, 0.3)


def tulip(layer: Layer, rng: np.random.Generator) -> None:
    """A cup of three pointed petals on a stem."""
    stem(layer, 1.2, rng)
    colour = paint(rng)
    for side in (-1, 1):
        outer = smooth([(0.0, 0.2), (side * 0.42, 0.0), (side * 0.5, -0.46), (side * 0.4, -0.82), (side * 0.1, -0.4)])
        layer.fill(outer, mixed(colour, DARK, 0.18), "fine", 0.08, 0.2)
    middle = smooth([(0.0, 0.24), (0.27, -0.06), (0.24, -0.5), (0.0, -0.86), (-0.24, -0.5), (-0.27, -0.06)])
    layer.fill(middle, colour, "fine", 0.08, 0.25)
    layer.stroke(np.array([(0.0, 0.1), (0.0, -0.6)]), 0.02, mixed(colour, DARK, 0.3))


def mushroom(layer: Layer, rng: np.random.Generator) -> None:
    """A spotted cap on a stalk."""
    colour = paint(rng)
    stalk = smooth([(-0.2, -0.1), (0.2, -0.1), (0.24, 0.5), (0.34, 0.9), (-0.34, 0.9), (-0.24, 0.5)])
    layer.fill(stalk, varied((226, 214, 190), rng), "smooth", 0.08, 0.25)
    layer.fill(ellipse(0.0, 0.02, 0.62, 0.15), varied((206, 190, 160), rng), "fur", 0.1)
    cap = smooth([(-0.95, 0.02), (-0.78, -0.5), (-0.3, -0.86), (0.3, -0.86), (0.78, -0.5), (0.95, 0.02), (0.0, -0.04)])
    layer.fill(cap, colour, "smooth", 0.06, 0.25)
    spots = [(-0.5, -0.42), (0.0, -0.62), (0.48, -0.4), (-0.14, -0.26), (0.28, -0.16), (-0.64, -0.12), (0.7, -0.1)]
    for x, y in spots[: int(rng.integers(5, 8))]:
        size = float(rng.uniform(0.07, 0.13))
        layer.fill(ellipse(x, y, size, size * 0.8, points=14), varied(WHITE, rng, 6))


def butterfly(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """Four wings with rims, a body, feelers; `first` is the pattern of the upper wings, `second` of the lower."""
    colour = paint(rng)
    rim = mixed(colour, DARK, 0.75)
    upper = smooth([(0.05, -0.1), (0.36, -0.78), (0.92, -0.86), (1.02, -0.4), (0.6, 0.02)])
    lower = smooth([(0.05, 0.02), (0.6, 0.04), (0.78, 0.42), (0.46, 0.82), (0.14, 0.46)])
    for wing, pattern in ((lower, second), (upper, first)):
        for shape in (wing, mirrored(wing)):
            middle = shape.mean(0)
            layer.fill(shape, rim)
            layer.fill(middle + (shape - middle) * 0.86, colour, "mottled", 0.08, 0.15, pattern)
    layer.fill(ellipse(0.0, 0.08, 0.07, 0.5, points=18), varied(DARK, rng), shade=0.3)
    for side in (-1, 1):
        layer.stroke(np.array([(0.0, -0.38), (side * 0.14, -0.7), (side * 0.26, -0.86)]), 0.018, DARK)


def fish(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A body of two halves, fins, a forked tail; `first` is the pattern of the front half, `second` of the rear."""
    colour = paint(rng)
    fin = mixed(paint(rng), DARK, 0.3)
    layer.fill(np.array([(-0.6, 0.0), (-1.12, -0.5), (-0.96, 0.0), (-1.12, 0.5)]), fin, "fine", 0.12)
    layer.fill(smooth([(-0.36, -0.34), (0.02, -0.84), (0.4, -0.4)]), fin, "fur", 0.14)
    layer.fill(smooth([(-0.2, 0.4), (-0.02, 0.74), (0.22, 0.4)]), fin, "fur", 0.14)
    front = smooth([(0.02, -0.5), (0.56, -0.42), (0.92, -0.16), (1.04, 0.06), (0.82, 0.32), (0.4, 0.48), (0.02, 0.5)])
    rear = smooth([(0.06, -0.5), (-0.34, -0.42), (-0.72, -0.08), (-0.72, 0.08), (-0.34, 0.42), (0.06, 0.5)])
    layer.fill(rear, colour, "mottled", 0.08, 0.25, second)
    layer.fill(front, colour, "mottled", 0.08, 0.25, first)
    layer.stroke(np.array([(0.04, -0.48), (0.1, 0.0), (0.04, 0.48)]), 0.06, mixed(colour, DARK, 0.6))
    layer.fill(ellipse(0.76, -0.08, 0.12, 0.12, points=16), (240, 240, 236))
    layer.fill(ellipse(0.79, -0.08, 0.06, 0.06, points=12), (16, 14, 16))
