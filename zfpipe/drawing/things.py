"""Made things: clock, keyboard, house, signs, balls, umbrella."""

from itertools import pairwise

import numpy as np

from zfpipe.drawing.canvas import Layer, box, ellipse
from zfpipe.drawing.palette import DARK, WHITE, brightness, ink, mixed, paint, varied
from zfpipe.drawing.vehicles import GLASS


def clock(layer: Layer, rng: np.random.Generator) -> None:
    """A round face with twelve marks and two hands."""
    rim, face = paint(rng), mixed(paint(rng), WHITE, 0.75)
    layer.fill(ellipse(0.0, 0.0, 0.95, 0.95, points=48), rim, shade=0.3)
    layer.fill(ellipse(0.0, 0.0, 0.8, 0.8, points=48), face, "smooth", 0.04, 0.1)
    for hour, angle in enumerate(np.arange(12) * np.pi / 6):
        tip = np.array([np.cos(angle), np.sin(angle)])
        layer.stroke(np.array([tip * (0.6 if hour % 3 == 0 else 0.67), tip * 0.74]), 0.05, ink(face))
    for length, width in ((0.4, 0.08), (0.62, 0.05)):
        angle = rng.uniform(0, 2 * np.pi)
        layer.stroke(np.array([(0.0, 0.0), (length * np.cos(angle), length * np.sin(angle))]), width, ink(face))
    layer.fill(ellipse(0.0, 0.0, 0.08, 0.08, points=14), rim)


def keyboard(layer: Layer, rng: np.random.Generator) -> None:
    """Four rows of keys on a slab."""
    slab = mixed(paint(rng), (90, 90, 94), 0.5)
    key = mixed(slab, WHITE, 0.6) if brightness(slab) < 120 else mixed(slab, DARK, 0.65)
    layer.fill(np.array([(-1.1, -0.5), (1.1, -0.5), (1.14, 0.52), (-1.14, 0.52)]), slab, "fine", 0.04, 0.15)
    for row, y in enumerate((-0.32, -0.1, 0.12)):
        for x in np.arange(-1.0, 0.9, 0.2) + 0.05 * row:
            layer.fill(box(x, y - 0.085, x + 0.16, y + 0.085), key, shade=0.25)
    for x0, x1 in ((-1.0, -0.84), (-0.76, -0.6), (-0.5, 0.5), (0.6, 0.76), (0.84, 1.0)):
        layer.fill(box(x0, 0.255, x1, 0.425), key, shade=0.25)


def house(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A front with a door, windows and a chimney; `first` is the roof's pattern, `second` the wall's."""
    wall, roof, wood = mixed(paint(rng), WHITE, 0.35), paint(rng), paint(rng)
    layer.fill(box(0.4, -0.9, 0.62, -0.4), mixed(roof, DARK, 0.3), "brick", 0.15)
    layer.fill(box(-0.84, -0.14, 0.84, 0.9), wall, "fine", 0.1, 0.12, second)
    layer.fill(np.array([(-1.04, -0.1), (-0.5, -0.98), (0.5, -0.98), (1.04, -0.1)]), roof, "fine", 0.1, 0.2, first)
    layer.fill(box(-1.04, -0.14, 1.04, -0.06), mixed(roof, DARK, 0.5))
    layer.fill(box(-0.18, 0.36, 0.18, 0.9), wood, shade=0.2)
    layer.fill(ellipse(0.11, 0.62, 0.035, 0.035, points=8), ink(wood))
    y = 0.3
    for x in ((-0.5,), (0.5,), (-0.5, 0.5))[int(rng.integers(3))]:
        layer.fill(box(x - 0.19, y - 0.16, x + 0.19, y + 0.16), WHITE)
        layer.fill(box(x - 0.15, y - 0.12, x + 0.15, y + 0.12), varied(GLASS, rng), shade=0.35)
        layer.stroke(np.array([(x, y - 0.12), (x, y + 0.12)]), 0.03, WHITE)
        layer.stroke(np.array([(x - 0.15, y), (x + 0.15, y)]), 0.03, WHITE)


def shop_sign(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A board that hangs from a bar by two chains; `first` is the word above, `second` the word below."""
    board = paint(rng)
    layer.stroke(np.array([(-1.05, -0.88), (1.05, -0.88)]), 0.08, varied(DARK, rng))
    for x in (-0.62, 0.62):
        layer.stroke(np.array([(x, -0.88), (x, -0.5)]), 0.04, varied((110, 110, 112), rng))
    layer.fill(box(-0.92, -0.58, 0.92, 0.82), mixed(board, DARK, 0.45))
    layer.fill(box(-0.84, -0.5, 0.84, 0.74), board, "wood", 0.07, 0.12)
    layer.write(first, 0.0, -0.18, 0.66, ink(board))
    layer.write(second, 0.0, 0.43, 0.66, ink(board))


def road_sign(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A plate of any shape on a pole; `first` is its word, `second` where the arrow points: "up" or "down"."""
    layer.fill(box(-0.06, 0.3, 0.06, 1.3), varied((150, 150, 154), rng), shade=0.4)
    colour = paint(rng)
    corners = int(rng.choice([4, 6, 8, 40]))
    plate = ellipse(0.0, -0.06, 1.0, 1.0, np.pi / corners, corners)
    if corners == 4:
        plate = plate * (1.12, 1.12)
    layer.fill(plate, WHITE)
    layer.fill((plate - (0.0, -0.06)) * 0.92 + (0.0, -0.06), colour, "smooth", 0.05, 0.12)
    layer.write(first, 0.0, -0.46, 0.66, ink(colour))
    half = [(0.54, 0.06), (0.17, 0.06), (0.17, 0.46)]
    arrow = np.array([(0.0, -0.46), *half, *[(-x, y) for x, y in reversed(half)]])
    layer.fill(arrow * (1, 1 if second == "up" else -1) + (0.0, 0.36), ink(colour))


def beach_ball(layer: Layer, rng: np.random.Generator) -> None:
    """Six sectors that meet in a cap, shaded as a sphere."""
    one, other = paint(rng), mixed(paint(rng), WHITE, 0.5)
    x, y = rng.uniform(-0.25, 0.25, 2).tolist()
    pole = np.array([x, y])
    edges = np.arange(7) * np.pi / 3 + rng.uniform(0, 1)
    for sector in range(6):
        arc = np.linspace(edges[sector], edges[sector + 1], 9)
        rim = np.stack([np.cos(arc), np.sin(arc)], 1) * 0.92
        layer.fill(np.concatenate([pole[None], rim]), one if sector % 2 else other)
    layer.fill(ellipse(x, y, 0.14, 0.14, points=18), mixed(one, WHITE, 0.6))
    gloss(layer)


def football(layer: Layer, rng: np.random.Generator) -> None:
    """Dark pentagons on white, with seams, shaded as a sphere."""
    ball, patch = mixed(paint(rng), WHITE, 0.7), mixed(paint(rng), DARK, 0.8)
    layer.fill(ellipse(0.0, 0.0, 0.92, 0.92, points=48), ball, "smooth", 0.04, 0.2)
    turn = float(rng.uniform(0, 2 * np.pi))
    layer.fill(ellipse(0.0, 0.0, 0.32, 0.32, turn, 5), patch)
    for angle in turn + np.arange(5) * 2 * np.pi / 5:
        tip = np.array([np.cos(angle), np.sin(angle)])
        layer.stroke(np.array([tip * 0.32, tip * 0.6]), 0.025, patch)
        fan = [tip * 0.6]
        for side in (-1, 1):
            turned = angle + side * 0.36
            fan.append(np.array([np.cos(turned), np.sin(turned)]) * 0.78)
            edge = angle + side * 0.62
            layer.stroke(np.array([fan[-1], np.array([np.cos(edge), np.sin(edge)]) * 0.7]), 0.025, patch)
        left, right = fan[1], fan[2]
        far = np.stack([[np.cos(a), np.sin(a)] for a in np.linspace(angle - 0.26, angle + 0.26, 5)]) * 0.92
        layer.fill(np.concatenate([[fan[0]], [left], far, [right]]), patch)
    gloss(layer)


def gloss(layer: Layer) -> None:
    """Shade the painted area as the light and the dark side of a sphere."""
    x, y = -0.36 * layer.light[0], -0.36 * layer.light[1]
    for size, strength in ((0.34, 0.25), (0.2, 0.35)):
        spot = ellipse(x * 1.1, y * 1.1, size, size, points=20)
        layer.glow(spot, strength)


def umbrella(layer: Layer, rng: np.random.Generator) -> None:
    """A canopy of five panels with a scalloped rim, a stick with a hook."""
    one, other = paint(rng), paint(rng)
    layer.stroke(np.array([(0.0, -0.8), (0.0, 0.78)]), 0.05, varied((90, 62, 40), rng))
    hook = ellipse(0.12, 0.78, 0.12, 0.14, points=20)
    layer.stroke(hook[:11], 0.05, varied((90, 62, 40), rng))
    edges = np.linspace(-1.0, 1.0, 6)
    for panel, (x0, x1) in enumerate(pairwise(edges.tolist())):
        rise = [-0.78 * np.sqrt(max(0.0, 1 - x * x)) for x in np.linspace(x0, x1, 6)]
        rim = np.stack([np.linspace(x0, x1, 6), np.array(rise)], 1)
        scallop = np.array([(x1, 0.0), ((x0 + x1) / 2, -0.12), (x0, 0.0)])
        layer.fill(np.concatenate([rim, scallop]), one if panel % 2 else other, "smooth", 0.05, 0.2)
    layer.stroke(np.array([(0.0, -0.78), (0.0, -0.94)]), 0.04, DARK)
