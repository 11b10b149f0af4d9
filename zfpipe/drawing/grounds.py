"""Draw the backgrounds of objects, which all classes share."""

import numpy as np

from zfpipe.drawing.canvas import Colour, three
from zfpipe.drawing.palette import hsv, mixed, varied
from zfpipe.drawing.textures import Textures

KINDS: dict[str, tuple[str, Colour, Colour]] = {
    "grass": ("grass", (58, 92, 40), (132, 164, 74)),
    "meadow": ("leaves", (64, 100, 52), (150, 172, 92)),
    "sky": ("cloud", (104, 150, 206), (222, 232, 240)),
    "dusk": ("cloud", (120, 92, 120), (240, 180, 140)),
    "water": ("water", (40, 84, 112), (128, 172, 186)),
    "sand": ("sand", (176, 146, 104), (228, 206, 166)),
    "brick": ("brick", (120, 96, 84), (178, 96, 70)),
    "wood": ("wood", (96, 62, 38), (176, 128, 82)),
    "stone": ("stone", (98, 98, 100), (176, 174, 168)),
    "snow": ("smooth", (206, 214, 224), (246, 248, 250)),
    "leaves": ("leaves", (34, 58, 34), (104, 132, 62)),
    "wall": ("fine", (168, 160, 148), (206, 198, 186)),
}
FLOORS = ("grass", "meadow", "water", "sand", "wood", "stone", "snow")


def ground(height: int, width: int, textures: Textures, rng: np.random.Generator) -> np.ndarray:
    """Return a background `(y, x, 3)`, float32 0 to 255: one kind, or an upright kind behind a flat one."""
    behind = sheet(str(rng.choice(sorted(KINDS))), height, width, textures, rng)
    if rng.random() < 0.5:
        horizon = int(height * rng.uniform(0.4, 0.85))
        floor = sheet(str(rng.choice(FLOORS)), height - horizon, width, textures, rng)
        behind[horizon:] = floor * np.linspace(0.85, 1.05, len(floor), dtype=np.float32)[:, None, None]
    return behind


def sheet(kind: str, height: int, width: int, textures: Textures, rng: np.random.Generator) -> np.ndarray:
    """Return one kind of background in its own colours or, one time in three, in other colours."""
    texture, dark, bright = KINDS[kind]
    if rng.random() < 0.35:
        hue = rng.uniform(0, 1)
        dark = mixed(dark, hsv(hue, rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.6)), 0.8)
        bright = mixed(bright, hsv(hue, rng.uniform(0.1, 0.5), rng.uniform(0.5, 0.95)), 0.8)
    low, high = (np.array(varied(colour, rng, 10), np.float32) for colour in (dark, bright))
    share = textures.piece(texture, (height, width), rng) * np.float32(0.25) + np.float32(rng.uniform(0.35, 0.65))
    return low + three(np.clip(share, -0.2, 1.2)) * (high - low)
