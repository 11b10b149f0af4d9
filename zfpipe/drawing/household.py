"""Things of a household: chair, guitar, ice cream, table lamp, teapot."""

import numpy as np

from zfpipe.drawing.canvas import Layer, box, ellipse, smooth
from zfpipe.drawing.palette import DARK, WHITE, mixed, paint, varied


def chair(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """Four legs; `first` is the pattern of the back, `second` of the seat, seen from above."""
    wood = mixed(paint(rng), (150, 104, 62), 0.35)
    dark, seat = mixed(wood, DARK, 0.35), paint(rng)
    for x, y in ((-0.4, 0.84), (0.5, 0.8)):
        layer.fill(box(x - 0.06, 0.0, x + 0.06, y), dark, "wood", 0.1)
    for x in (-0.46, 0.44):
        layer.fill(box(x - 0.07, -1.0, x + 0.07, 0.1), wood, "wood", 0.12, 0.15)
    layer.fill(box(-0.46, -0.95, 0.44, -0.2), mixed(seat, wood, 0.5), "fine", 0.08, 0.15, first)
    layer.fill(np.array([(-0.56, -0.06), (0.54, -0.06), (0.74, 0.36), (-0.76, 0.36)]), seat, "fine", 0.08, 0.2, second)
    layer.fill(box(-0.72, 0.31, 0.7, 0.42), mixed(wood, DARK, 0.15), "wood", 0.1)
    for x in (-0.63, 0.61):
        layer.fill(box(x - 0.075, 0.4, x + 0.075, 1.05), wood, "wood", 0.12, 0.2)


def guitar(layer: Layer, rng: np.random.Generator) -> None:
    """A waisted body with a sound hole, a fretted neck, pegs and strings."""
    wood = mixed(paint(rng), (196, 138, 74), 0.4)
    dark = mixed(wood, DARK, 0.7)
    half = [(0.0, -0.14), (0.3, -0.12), (0.4, 0.08), (0.29, 0.26), (0.4, 0.44), (0.52, 0.68), (0.36, 0.96), (0.0, 1.02)]
    body = smooth([*half, *[(-x, y) for x, y in reversed(half[1:-1])]])
    layer.fill(body, dark)
    layer.fill((body - (0, 0.45)) * 0.93 + (0, 0.45), wood, "wood", 0.1, 0.2)
    layer.fill(ellipse(0.0, 0.28, 0.18, 0.18), mixed(wood, WHITE, 0.5))
    layer.fill(ellipse(0.0, 0.28, 0.14, 0.14), dark)
    layer.fill(box(-0.2, 0.66, 0.2, 0.74), dark)
    layer.fill(box(-0.08, -0.9, 0.08, 0.16), mixed(dark, wood, 0.2), "fine", 0.1, 0.2)
    for y in np.linspace(-0.8, 0.08, 8):
        layer.stroke(np.array([(-0.08, y), (0.08, y)]), 0.014, (206, 200, 180))
    for y in (-1.14, -1.02, -0.9):
        layer.stroke(np.array([(-0.2, y), (0.2, y)]), 0.05, (206, 200, 180))
    layer.fill(np.array([(-0.13, -1.22), (0.13, -1.22), (0.1, -0.82), (-0.1, -0.82)]), wood, "wood", 0.1, 0.2)
    for x in (-0.045, -0.015, 0.015, 0.045):
        layer.stroke(np.array([(x, -1.1), (x * 1.4, 0.7)]), 0.008, (226, 222, 210))


def ice_cream(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """Two or three scoops and a cherry on a cone; `first` is the pattern of the scoops, `second` of the cone."""
    wafer, scoops = varied((206, 156, 92), rng, 20), int(rng.integers(2, 4))
    layer.fill(np.array([(-0.46, 0.0), (0.46, 0.0), (0.0, 1.12)]), wafer, "fine", 0.1, 0.25, second)
    places = [(-0.2, -0.12), (0.22, -0.14), (0.0, -0.5)] if scoops == 3 else [(0.0, -0.12), (0.0, -0.56)]
    size = 0.33 if scoops == 3 else 0.42
    for x, y in places:
        cream = mixed(paint(rng), WHITE, 0.35)
        layer.fill(ellipse(x, y, size, size, points=36), cream, "mottled", 0.08, 0.25, first)
        for place in np.linspace(-0.8, 0.8, 5) * size:
            layer.fill(ellipse(x + place, y + 0.6 * size, 0.28 * size, rng.uniform(0.2, 0.42) * size, points=14), cream)
    x, y = places[-1]
    layer.stroke(np.array([(x, y - size), (x + 0.1, y - size - 0.26)]), 0.025, varied((74, 92, 44), rng))
    layer.fill(ellipse(x, y - size - 0.04, 0.12, 0.12, points=16), paint(rng), shade=0.4)


def table_lamp(layer: Layer, rng: np.random.Generator) -> None:
    """A glowing shade on a turned foot, with a cord to pull."""
    cloth, foot = mixed(paint(rng), WHITE, 0.25), paint(rng)
    half = [(0.07, -0.1), (0.07, 0.12), (0.24, 0.3), (0.28, 0.5), (0.1, 0.74), (0.12, 0.84)]
    layer.fill(smooth([*half, *[(-x, y) for x, y in reversed(half)]]), foot, "smooth", 0.08, 0.3)
    layer.fill(smooth([(-0.42, 0.98), (-0.36, 0.84), (0.36, 0.84), (0.42, 0.98)]), mixed(foot, DARK, 0.25), shade=0.2)
    layer.stroke(np.array([(0.34, -0.1), (0.34, 0.26)]), 0.025, varied((170, 160, 130), rng))
    layer.fill(ellipse(0.34, 0.28, 0.045, 0.06, points=10), varied((170, 160, 130), rng))
    shade = np.array([(-0.36, -0.95), (0.36, -0.95), (0.74, -0.06), (-0.74, -0.06)])
    layer.fill(shade, cloth, "fine", 0.08, 0.12)
    for x in np.linspace(-0.8, 0.8, 7):
        layer.stroke(np.array([(x * 0.36, -0.95), (x * 0.74, -0.06)]), 0.015, mixed(cloth, DARK, 0.25))
    layer.glow(ellipse(0.0, -0.35, 0.3, 0.26), 0.6)
    for y, wide in ((-0.95, 0.37), (-0.06, 0.75)):
        layer.fill(box(-wide, y - 0.04, wide, y + 0.04), mixed(foot, DARK, 0.1), shade=0.2)


def teapot(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A belly, spout, handle and a knobbed lid; `first` is the belly's pattern, `second` that of spout and lid."""
    glaze, band = mixed(paint(rng), WHITE, 0.2), paint(rng)
    dark = mixed(glaze, DARK, 0.2)
    layer.stroke(ellipse(-0.66, 0.02, 0.34, 0.36, points=36), 0.13, dark, closed=True)
    spout = [
        (0.4, 0.42),
        (0.76, 0.24),
        (0.84, -0.22),
        (1.1, -0.44),
        (1.18, -0.34),
        (1.06, -0.02),
        (0.92, 0.44),
        (0.5, 0.66),
    ]
    layer.fill(smooth(spout), dark, "smooth", 0.05, 0.25, second)
    layer.fill(box(-0.34, 0.6, 0.34, 0.84), dark, shade=0.2)
    layer.fill(ellipse(0.0, 0.12, 0.72, 0.64, points=44), glaze, "smooth", 0.06, 0.3, first)
    lid = smooth([(-0.5, -0.4), (-0.28, -0.72), (0.28, -0.72), (0.5, -0.4), (0.0, -0.32)])
    layer.fill(lid, glaze, shade=0.2, pattern=second)
    layer.stroke(np.array([(-0.46, -0.42), (0.0, -0.37), (0.46, -0.42)]), 0.04, dark)
    layer.fill(ellipse(0.0, -0.8, 0.13, 0.13, points=18), band, shade=0.35)
    layer.glow(ellipse(-0.3 * layer.light[0], 0.1 - 0.3 * layer.light[1], 0.16, 0.16), 0.5)
