"""Make textures: large tiles of noise, made once for each seed; each shape takes a random piece of a tile."""

from functools import cache

import cv2
import numpy as np

SIDE = 512


def noise(rng: np.random.Generator, across: float, down: float) -> np.ndarray:
    """Return smooth periodic noise, standard deviation 1, with features of `across` by `down` pixels."""
    white = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    margin = min(SIDE, 64 * int(np.ceil((4 * max(across, down) + 2) / 64)))  # OpenCV's kernel reaches 4 sigma
    inside = slice(margin, margin + SIDE)
    rough = cv2.GaussianBlur(np.pad(white, margin, mode="wrap"), (0, 0), across, sigmaY=down)[inside, inside]
    return (rough - rough.mean()) / rough.std()


def octaves(rng: np.random.Generator, largest: float, count: int, stretch: float = 1.0) -> np.ndarray:
    """Return noise summed over scales, each half the previous scale; `stretch` lengthens the noise along x."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for octave in range(count):
        size = largest / 2**octave
        total += noise(rng, size * stretch, size) / 2 ** (octave / 2)
    return total / total.std()


def bricks() -> np.ndarray:
    """Brickwork: bright bricks, dark joints."""
    tile = np.full((SIDE, SIDE), 0.6, np.float32)
    for row in range(0, SIDE, 16):
        tile[row : row + 2] = -1.6
        shift = 16 if row // 16 % 2 else 0
        for column in range(shift, SIDE, 32):
            tile[row : row + 16, column : column + 2] = -1.6
    return cv2.GaussianBlur(tile, (0, 0), 0.6)


def planks(rng: np.random.Generator) -> np.ndarray:
    """Wooden boards: long grain, a dark joint every 32 pixels."""
    tile = octaves(rng, 6, 3, stretch=9) * 0.8
    for row in range(0, SIDE, 32):
        tile[row : row + 2] = -2.2
    return cv2.GaussianBlur(tile, (0, 0), 0.6)


class Textures:
    """Tiles by name, values about -2 to 2."""

    def __init__(self, seed: int):
        rng = np.random.default_rng([seed, 77])
        self.tiles = {
            "smooth": octaves(rng, 24, 2),
            "fine": octaves(rng, 2, 2),
            "mottled": octaves(rng, 8, 3),
            "fur": octaves(rng, 1.2, 2).T * 0.5 + octaves(rng, 1.0, 1, stretch=3).T * 0.6,
            "grass": octaves(rng, 1.6, 2, stretch=5).T,
            "water": octaves(rng, 3, 3, stretch=5),
            "cloud": octaves(rng, 40, 5),
            "sand": octaves(rng, 30, 6) * 0.5 + octaves(rng, 1.2, 1) * 0.7,
            "leaves": np.tanh(octaves(rng, 7, 3) * 1.6) * 1.3,
            "wood": planks(rng),
            "brick": bricks() + octaves(rng, 3, 2) * 0.25,
            "stone": np.abs(octaves(rng, 16, 4)) * 1.6 - 1.2,
        }

    def piece(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a random piece of a tile; `shape` is at most 256 on a side."""
        y, x = rng.integers(0, SIDE - 256, 2)
        return self.tiles[name][y : y + shape[0], x : x + shape[1]]


@cache
def textures(seed: int) -> Textures:
    """Return the tiles of a seed, made once in each process."""
    return Textures(seed)
