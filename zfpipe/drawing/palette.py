"""Choose colours. Every class uses the same colours, so that colour does not reveal the class."""

import numpy as np

from zfpipe.drawing.canvas import Colour

COATS: list[Colour] = [
    (58, 50, 46),
    (120, 78, 48),
    (182, 132, 82),
    (224, 196, 152),
    (150, 146, 142),
    (206, 150, 70),
    (236, 230, 220),
    (176, 92, 44),
    (92, 88, 96),
]
DARK: Colour = (34, 30, 32)
WHITE: Colour = (240, 238, 232)


def coat(rng: np.random.Generator) -> Colour:
    """Return a natural fur or feather colour, slightly varied."""
    return varied(COATS[int(rng.integers(len(COATS)))], rng)


def paint(rng: np.random.Generator) -> Colour:
    """Return a colour of paint: random hue, fairly saturated."""
    return hsv(rng.uniform(0, 1), rng.uniform(0.25, 0.85), rng.uniform(0.45, 0.95))


def varied(colour: Colour, rng: np.random.Generator, amount: float = 14.0) -> Colour:
    """Return a colour near another."""
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, amount, 3), 8, 250).tolist()
    return red, green, blue


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Return a mix of two colours with `share` of the second."""
    red, green, blue = ((1 - share) * np.array(one) + share * np.array(other)).tolist()
    return red, green, blue


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return hue, saturation and value, each 0 to 1, as red, green and blue."""
    ramp = np.abs(np.array([hue * 6 % 6, (hue * 6 + 4) % 6, (hue * 6 + 2) % 6]) - 3) - 1
    pure = 1 - saturation + saturation * np.clip(ramp, 0, 1)
    red, green, blue = (pure * value * 255).tolist()
    return red, green, blue


def brightness(colour: Colour) -> float:
    """Return how light a colour looks, 0 to 255."""
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def ink(colour: Colour) -> Colour:
    """Return a colour that contrasts with another."""
    return DARK if brightness(colour) > 120 else WHITE
