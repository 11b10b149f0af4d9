"""What stands outdoors: tent, traffic light, windmill."""

import numpy as np

from zfpipe.drawing.canvas import Colour, Layer, box, ellipse
from zfpipe.drawing.palette import DARK, WHITE, mixed, paint, varied
from zfpipe.drawing.vehicles import GLASS

LAMPS: tuple[Colour, ...] = ((214, 52, 44), (232, 170, 48), (66, 180, 86))


def tent(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A ridge tent from its corner, with ropes; `first` is the pattern of the open front, `second` of the side."""
    cloth, side = paint(rng), paint(rng)
    rope = varied((190, 180, 150), rng)
    for line in ([(-0.3, -0.64), (-1.15, 0.72)], [(0.62, -0.5), (1.24, 0.56)]):
        layer.stroke(np.array(line), 0.025, rope)
    roof = np.array([(-0.3, -0.64), (0.62, -0.5), (1.1, 0.52), (0.34, 0.74)])
    layer.fill(roof, side, "fine", 0.1, 0.15, second)
    front = np.array([(-0.3, -0.64), (0.34, 0.74), (-0.94, 0.74)])
    layer.fill(front, mixed(cloth, WHITE, 0.25), "fine", 0.08, 0.2, first)
    layer.fill(np.array([(-0.3, -0.06), (0.02, 0.74), (-0.5, 0.74)]), varied((52, 44, 44), rng))
    layer.stroke(np.array([(-0.3, -0.78), (-0.3, 0.74)]), 0.05, varied((150, 116, 76), rng))


def traffic_light(layer: Layer, rng: np.random.Generator) -> None:
    """Three hooded lamps in a case on a pole, one of them lit."""
    case = mixed(paint(rng), DARK, 0.55)
    layer.fill(box(-0.09, 0.6, 0.09, 1.25), varied((130, 130, 134), rng), shade=0.4)
    layer.fill(box(-0.46, -1.02, 0.46, 0.72), mixed(case, WHITE, 0.65))
    layer.fill(box(-0.4, -0.96, 0.4, 0.66), case, "fine", 0.06, 0.2)
    lit = int(rng.integers(3))
    for lamp, y in enumerate((-0.68, -0.15, 0.38)):
        glass = varied(LAMPS[lamp], rng)
        layer.fill(ellipse(0.0, y - 0.03, 0.27, 0.27), mixed(case, DARK, 0.7))
        layer.fill(ellipse(0.0, y, 0.22, 0.22), glass if lamp == lit else mixed(glass, DARK, 0.6), shade=0.2)
        if lamp == lit:
            layer.glow(ellipse(0.0, y, 0.12, 0.12), 0.7)
        hood = ellipse(0.0, y, 0.27, 0.27, points=24)
        layer.stroke(hood[12:], 0.07, mixed(case, DARK, 0.5))


def windmill(layer: Layer, first: str, second: str, rng: np.random.Generator) -> None:
    """A tower with a cap and a door, four sails at any angle; `first` is the tower's pattern, `second` the sails'."""
    wall, cap, cloth = mixed(paint(rng), WHITE, 0.3), paint(rng), mixed(paint(rng), WHITE, 0.4)
    tower = np.array([(-0.3, -0.34), (0.3, -0.34), (0.5, 1.05), (-0.5, 1.05)])
    layer.fill(tower, wall, "fine", 0.14, 0.2, first)
    layer.fill(ellipse(0.0, -0.34, 0.36, 0.34, points=32)[16:], cap, "wood", 0.1, 0.2)
    layer.fill(box(-0.14, 0.66, 0.14, 1.05), cap, "wood", 0.1)
    layer.fill(box(-0.1, 0.14, 0.1, 0.38), WHITE)
    layer.fill(box(-0.07, 0.17, 0.07, 0.35), varied(GLASS, rng), shade=0.3)
    wood = varied((92, 66, 46), rng)
    for angle in rng.uniform(0, np.pi / 2) + np.arange(4) * np.pi / 2:
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        hub = np.array([0.0, -0.3])
        sail = [
            hub + along * reach + across * wide for reach, wide in ((0.2, 0.0), (0.2, 0.32), (0.96, 0.32), (0.96, 0.0))
        ]
        layer.fill(np.array(sail), cloth, "fine", 0.08, pattern=second)
        layer.stroke(np.array(sail[1:3]), 0.025, wood)
        layer.stroke(np.array([hub, hub + along * 0.96]), 0.05, wood)
    layer.fill(ellipse(0.0, -0.3, 0.08, 0.08, points=14), mixed(wood, DARK, 0.5))
