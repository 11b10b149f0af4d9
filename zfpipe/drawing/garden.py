"""What a garden holds: a potted cactus, a fir tree, a ladybird and a snail."""

import numpy as np

from zfpipe.drawing.canvas import Layer, box, ellipse, mirrored, smooth
from zfpipe.drawing.palette import DARK, WHITE, mixed, paint, varied
from zfpipe.drawing.things import gloss


def cactus(layer: Layer, rng: np.random.Generator) -> None:
    """A ribbed column with two arms and spines, in a pot, sometimes in bloom."""
    skin, pot = mixed(paint(rng), (84, 130, 76), 0.5), paint(rng)
    arm = smooth([(0.16, 0.2), (0.52, 0.2), (0.76, 0.0), (0.76, -0.3), (0.64, -0.42), (0.52, -0.3), (0.48, -0.06)])
    for side, lift in ((-1, -0.24), (1, 0.0)):
        layer.fill((arm if side == 1 else mirrored(arm)) + (0, lift), skin, "fine", 0.1, 0.2)
    layer.fill(smooth([(-0.28, 0.5), (-0.3, -0.5), (0.0, -0.95), (0.3, -0.5), (0.28, 0.5)]), skin, "fine", 0.1, 0.25)
    for x in (-0.15, 0.0, 0.15):
        layer.stroke(np.array([(x, -0.74 + abs(x)), (x, 0.45)]), 0.02, mixed(skin, DARK, 0.4))
    for x, y in [(x, y) for x in (-0.22, -0.07, 0.08, 0.22) for y in (-0.5, -0.22, 0.06, 0.34)]:
        layer.stroke(np.array([(x - 0.04, y - 0.05), (x, y), (x + 0.04, y - 0.05)]), 0.015, mixed(skin, WHITE, 0.8))
    if rng.random() < 0.6:
        for angle in np.arange(5) * np.pi / 4 + np.pi:
            petal = (0.14 * np.cos(angle), -0.88 + 0.12 * np.sin(angle))
            layer.fill(ellipse(*petal, 0.13, 0.06, angle, 12), mixed(pot, WHITE, 0.3), shade=0.2)
    layer.fill(np.array([(-0.46, 0.5), (0.46, 0.5), (0.34, 1.0), (-0.34, 1.0)]), pot, "mottled", 0.08, 0.25)
    layer.fill(box(-0.54, 0.4, 0.54, 0.58), mixed(pot, DARK, 0.15), "mottled", 0.08, 0.25)


def fir_tree(layer: Layer, rng: np.random.Generator) -> None:
    """Four ragged tiers of needles on a trunk, sometimes hung with balls."""
    green = mixed(paint(rng), (48, 92, 56), 0.5)
    layer.fill(box(-0.11, 0.6, 0.11, 1.05), varied((104, 70, 44), rng), "fur", 0.15, 0.3)
    for tier, (top, bottom, wide) in enumerate(
        ((-0.1, 0.74, 0.8), (-0.42, 0.4, 0.64), (-0.72, 0.06, 0.48), (-1.0, -0.3, 0.32))
    ):
        hem = [(x, bottom - (0.1 if knot % 2 else 0.0)) for knot, x in enumerate(np.linspace(wide, -wide, 9))]
        layer.fill(np.array([(0.0, top), *hem]), mixed(green, DARK, 0.3 - 0.1 * tier), "leaves", 0.2, 0.25)
    if rng.random() < 0.5:
        for y, wide in ((-0.42, 0.14), (-0.06, 0.28), (0.3, 0.4), (0.62, 0.55)):
            for x in np.linspace(-wide, wide, 3):
                layer.fill(ellipse(x, y, 0.07, 0.07, points=12), paint(rng), shade=0.4)


def ladybird(layer: Layer, rng: np.random.Generator) -> None:
    """A spotted dome from above, split along the back, six legs, a small head with feelers."""
    shell = paint(rng)
    dark = mixed(shell, DARK, 0.85)
    for side in (-1, 1):
        for y in (-0.36, 0.05, 0.48):
            leg = [(side * 0.5, y), (side * 0.9, y - 0.04 + y / 4), (side * 1.02, y + 0.14 + y / 4)]
            layer.stroke(np.array(leg), 0.06, dark)
        layer.stroke(np.array([(side * 0.12, -0.9), (side * 0.2, -1.08), (side * 0.34, -1.14)]), 0.03, dark)
    layer.fill(ellipse(0.0, -0.7, 0.4, 0.32), dark, "smooth", 0.1, 0.2)
    for side in (-1, 1):
        layer.fill(ellipse(side * 0.24, -0.76, 0.09, 0.12, points=12), varied(WHITE, rng, 6))
    layer.fill(ellipse(0.0, 0.1, 0.8, 0.82, points=40), shell, "smooth", 0.06, 0.3)
    layer.stroke(np.array([(0.0, -0.7), (0.0, 0.92)]), 0.035, dark)
    for x, y in ((0.32, -0.3), (0.52, 0.14), (0.24, 0.2), (0.36, 0.6)):
        size = float(rng.uniform(0.1, 0.15))
        for side in (-1, 1):
            layer.fill(ellipse(side * x, y, size, size, points=14), dark)
    gloss(layer)


def snail(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A creeping body with eyes on stalks; `first` is the pattern of the shell, `second` of the body."""
    shell, skin = paint(rng), mixed(paint(rng), (196, 164, 128), 0.6)
    for x, y in ((0.66, -0.52), (0.98, -0.5)):
        layer.stroke(np.array([(0.8, 0.0), (x, y)]), 0.06, skin)
        layer.fill(ellipse(x, y - 0.04, 0.1, 0.1, points=14), (240, 240, 236))
        layer.fill(ellipse(x + 0.03, y - 0.04, 0.055, 0.055, points=12), (16, 14, 16))
    body = [(-1.1, 0.84), (-0.5, 0.44), (0.36, 0.4), (0.6, 0.02), (0.84, -0.14), (1.04, 0.08), (0.9, 0.56), (0.6, 0.8)]
    layer.fill(smooth(body), skin, "mottled", 0.1, 0.25, second)
    layer.stroke(np.array([(0.82, 0.24), (0.94, 0.26), (1.0, 0.18)]), 0.03, DARK)
    layer.fill(ellipse(-0.16, -0.02, 0.68, 0.66, points=40), shell, "mottled", 0.1, 0.3, first)
    angles = np.linspace(0.4, 0.4 + 3.2 * np.pi, 50)
    reach = np.linspace(0.64, 0.03, 50)
    coil = np.stack([-0.16 + reach * np.cos(angles), -0.02 + reach * np.sin(angles)], 1)
    layer.stroke(coil, 0.06, mixed(shell, DARK, 0.6))
