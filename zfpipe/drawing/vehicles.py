"""Vehicles from the side: they share wheels and windows."""

import numpy as np

from zfpipe.drawing.canvas import Colour, Layer, box, ellipse, smooth
from zfpipe.drawing.palette import DARK, WHITE, ink, mixed, paint, varied

GLASS: Colour = (150, 178, 192)


def wheel(layer: Layer, x: float, y: float, radius: float, rng: np.random.Generator) -> None:
    """A tyre with a hub."""
    layer.fill(ellipse(x, y, radius, radius), varied(DARK, rng, 5))
    layer.fill(ellipse(x, y, radius * 0.58, radius * 0.58), varied((176, 178, 180), rng), shade=0.3)
    for angle in np.arange(5) * 2 * np.pi / 5 + rng.uniform(0, 1):
        hole = (x + 0.34 * radius * np.cos(angle), y + 0.34 * radius * np.sin(angle))
        layer.fill(ellipse(*hole, radius * 0.1, radius * 0.1, points=8), (70, 70, 74))


def car(layer: Layer, rng: np.random.Generator) -> None:
    """A car with a cabin between bonnet and boot."""
    colour = paint(rng)
    roof = float(rng.uniform(-0.62, -0.5))
    cabin = smooth([(-0.62, -0.08), (-0.4, roof), (0.28, roof), (0.6, -0.08)], 4)
    layer.fill(cabin, mixed(colour, DARK, 0.1), shade=0.15)
    for pane in (
        [(-0.5, -0.1), (-0.34, roof + 0.1), (-0.06, roof + 0.08), (-0.06, -0.1)],
        [(0.02, -0.1), (0.02, roof + 0.08), (0.24, roof + 0.1), (0.48, -0.1)],
    ):
        layer.fill(np.array(pane), varied(GLASS, rng), shade=0.35)
    body = [(-1.0, 0.06), (-0.94, -0.1), (-0.5, -0.16), (0.55, -0.14), (0.96, -0.02), (1.02, 0.26), (-1.0, 0.3)]
    layer.fill(smooth(body, 3), colour, shade=0.2)
    layer.stroke(np.array([(-0.03, -0.1), (-0.03, 0.26)]), 0.015, mixed(colour, DARK, 0.5))
    layer.fill(ellipse(0.93, 0.06, 0.07, 0.06, points=12), (246, 238, 190))
    layer.fill(ellipse(-0.95, 0.04, 0.05, 0.06, points=12), (190, 40, 36))
    for x in (-0.56, 0.58):
        wheel(layer, x, 0.3, 0.23, rng)


def lorry(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A box, a cab in front, two or three wheels; `first` is the box's word, `second` where its arrow points.

    "ahead": to the cab, "back": away from it.
    """
    load, cab = paint(rng), paint(rng)
    layer.fill(box(-1.15, -0.86, 0.42, 0.26), load, "fine", 0.04, 0.15)
    layer.fill(np.array([(0.46, 0.26), (0.46, -0.5), (0.82, -0.5), (1.0, -0.12), (1.04, 0.26)]), cab, shade=0.2)
    layer.fill(np.array([(0.56, -0.08), (0.56, -0.4), (0.78, -0.4), (0.92, -0.08)]), varied(GLASS, rng), shade=0.35)
    layer.fill(box(-1.15, 0.22, 1.04, 0.34), (60, 60, 64))
    layer.write(first, -0.36, -0.5, 0.66, ink(load))
    upper = [(0.12, -0.34), (0.12, -0.12), (-0.62, -0.12)]
    arrow = np.array([(0.62, 0.0), *upper, *[(x, -y) for x, y in reversed(upper)]])
    layer.fill(arrow * (1 if second == "ahead" else -1, 1) + (-0.24, -0.1), ink(load))
    for x in (-0.86, -0.44, 0.72)[int(rng.integers(2)) :]:
        wheel(layer, x, 0.36, 0.2, rng)


def bicycle(layer: Layer, rng: np.random.Generator) -> None:
    """Two spoked wheels, a diamond frame, saddle and handlebars."""
    colour = paint(rng)
    for x in (-0.6, 0.6):
        for angle in np.arange(8) * np.pi / 8 + rng.uniform(0, 0.4):
            spoke = 0.42 * np.array([np.cos(angle), np.sin(angle)])
            layer.stroke(np.array([(x, 0.25), (x, 0.25)]) + np.array([-spoke, spoke]), 0.008, (190, 190, 194))
        layer.stroke(ellipse(x, 0.25, 0.44, 0.44, points=36), 0.06, varied(DARK, rng, 5), closed=True)
    crank, seat, head = (-0.1, 0.28), (-0.24, -0.34), (0.42, -0.3)
    for line in ([(-0.6, 0.25), crank, head, seat, (-0.6, 0.25)], [seat, crank], [head, (0.6, 0.25)]):
        layer.stroke(np.array(line), 0.06, colour)
    layer.stroke(np.array([head, (0.38, -0.5), (0.56, -0.54)]), 0.05, (70, 70, 74))
    layer.stroke(np.array([seat, (-0.26, -0.44)]), 0.05, (90, 90, 94))
    layer.fill(ellipse(-0.28, -0.47, 0.17, 0.06), varied(DARK, rng))
    layer.fill(ellipse(*crank, 0.1, 0.1), (90, 90, 94))


def bus(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A long body with a row of windows; `first` is its word, `second` the pattern of the band above the windows.

    The band below has another of two patterns: which of them is above tells members apart.
    """
    colour = paint(rng)
    other = {"checks": "bars", "bars": "checks"}[second]
    body = [(-1.12, -0.72), (-0.9, -0.82), (0.95, -0.82), (1.1, -0.66), (1.14, 0.3), (-1.12, 0.3)]
    layer.fill(smooth(body, 3), colour, shade=0.18)
    band = mixed(colour, WHITE, 0.5)
    layer.fill(box(-1.08, -0.78, 0.96, -0.5), band, pattern=second)
    layer.fill(box(-1.08, 0.02, 1.08, 0.3), band, pattern=other)
    pane = varied(GLASS, rng)
    layer.write(first, -0.42, -0.24, 0.64, ink(colour))
    for x in (0.34, 0.64):
        layer.fill(box(x, -0.44, x + 0.22, -0.06), pane, shade=0.3)
    layer.fill(box(0.94, -0.5, 1.1, 0.0), pane, shade=0.3)
    for x in (-0.66, 0.6):
        wheel(layer, x, 0.36, 0.22, rng)
