"""Draw antialiased shapes in a figure's own coordinates, with light and texture, on a layer with a mask."""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import cv2
import numpy as np

from zfpipe.drawing.patterns import FINEST, PERIOD, weave
from zfpipe.drawing.textures import Textures

SHIFT = 4
"""Fractional bits of places: shapes are placed to a sixteenth of a pixel."""
Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True)
class Frame:
    """Map a figure's own coordinates (about -1 to 1, y down) to pixels: turn, squeeze along x, scale, move."""

    x: float
    y: float
    scale: float
    turn: float = 0.0
    squeeze: float = 1.0

    @cached_property
    def matrix(self) -> np.ndarray:
        """Return the matrix that turns, squeezes and scales points `(n, 2)` by `points @ matrix`."""
        cosine, sine = np.cos(self.turn) * self.scale, np.sin(self.turn) * self.scale
        return np.array([(cosine * self.squeeze, sine * self.squeeze), (-sine, cosine)])

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Return points `(n, 2)` as x, y in pixels."""
        return points @ self.matrix + (self.x, self.y)

    def own(self, window: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the figure's own x and y at each pixel of a window y0, y1, x0, x1, each `(y, x)`, float32."""
        y0, y1, x0, x1 = window
        (a, b), (c, d) = self.matrix.tolist()
        scale = 1 / (a * d - b * c)
        across, down = np.arange(x0, x1) - self.x, (np.arange(y0, y1) - self.y)[:, None]
        x = (across * (d * scale)).astype(np.float32) - (down * (c * scale)).astype(np.float32)
        y = (down * (a * scale)).astype(np.float32) - (across * (b * scale)).astype(np.float32)
        return x, y


@cache
def circle(points: int) -> np.ndarray:
    """Points on the unit circle: x and y, `(2, points)`."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)])


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0, points: int = 28) -> np.ndarray:
    """The outline of an ellipse."""
    a, b = circle(points) * np.array([(rx,), (ry,)])
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.stack([x + cosine * a - sine * b, y + sine * a + cosine * b], 1)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """The outline of a rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def smooth(points: list[tuple[float, float]], between: int = 5) -> np.ndarray:
    """A closed curve through some points (Catmull-Rom)."""
    knots = np.array(points)
    before, after, second = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
    steps = np.linspace(0, 1, between, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (part[:, None, :] for part in (before, knots, after, second))
    curve = p1 + 0.5 * steps * (p2 - p0 + steps * (2 * p0 - 5 * p1 + 4 * p2 - p3 + steps * (3 * (p1 - p2) + p3 - p0)))
    return curve.reshape(-1, 2)


def mirrored(points: np.ndarray) -> np.ndarray:
    """Return the outline mirrored to the other side."""
    return points * (-1, 1)


def contrast(colour: Colour) -> Colour:
    """Return a much darker colour for a bright colour, or a much brighter one for a dark colour."""
    red, green, blue = colour
    if 0.3 * red + 0.59 * green + 0.11 * blue > 125:
        return 0.3 * red, 0.3 * green, 0.3 * blue
    return 0.35 * red + 155, 0.35 * green + 155, 0.35 * blue + 155


class Layer:
    """Colours times coverage, and coverage, of a figure, `(y, x, 3)` and `(y, x)`, before it goes over the ground."""

    def __init__(
        self, height: int, width: int, frame: Frame, light: float, textures: Textures, rng: np.random.Generator
    ):
        self.frame = frame
        self.light = (np.cos(light), np.sin(light))
        self.textures = textures
        self.rng = rng
        self.period = max(PERIOD, FINEST / frame.scale)
        self.colour = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)
        self.touched = (height, 0, width, 0)  # top, bottom, left, right of the painted area: nothing yet

    def fill(
        self,
        outline: np.ndarray,
        colour: Colour,
        texture: str = "",
        amount: float = 0.15,
        shade: float = 0.0,
        pattern: str = "",
    ) -> None:
        """Fill an outline; `amount` is the strength of the texture, `shade` the strength of light from one side.

        `pattern` is one of `PATTERNS`, drawn along the figure's own axes in the colour and a contrasting colour.
        """
        pixels = self.frame.pixels(outline)
        window = self.window(pixels, 1)
        if window is None:
            return
        (y0, y1, x0, x1), mask = window
        cv2.fillPoly(mask, [fixed(pixels, x0, y0)], 255, cv2.LINE_AA, SHIFT)
        self.lay(mask, (y0, y1, x0, x1), colour, texture, amount, shade, pattern)

    def stroke(self, points: np.ndarray, width: float, colour: Colour, closed: bool = False) -> None:
        """Draw a line; `width` is in the figure's own units, and at least a pixel."""
        pixels = self.frame.pixels(points)
        thickness = max(1, round(width * self.frame.scale))
        window = self.window(pixels, thickness)
        if window is None:
            return
        (y0, y1, x0, x1), mask = window
        cv2.polylines(mask, [fixed(pixels, x0, y0)], closed, 255, thickness, cv2.LINE_AA, SHIFT)
        self.lay(mask, (y0, y1, x0, x1), colour, "", 0.0, 0.0)

    def write(self, text: str, x: float, y: float, height: float, colour: Colour) -> None:
        """Write a centred word along the figure's own x axis."""
        (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)
        stamp = np.zeros((high + 12, wide + 12), np.uint8)
        cv2.putText(stamp, text, (6, high + 6), cv2.FONT_HERSHEY_DUPLEX, 1.0, 255, 3, cv2.LINE_AA)
        aspect = np.sign(self.frame.squeeze) * stamp.shape[1] / stamp.shape[0] / 2  # never mirrored
        corners = np.array([(x - aspect * height, y - height / 2), (x + aspect * height, y - height / 2)])
        left, right = self.frame.pixels(corners)
        (down,) = self.frame.pixels(np.array([(x - aspect * height, y + height / 2)]))
        source = np.array([(0, 0), (stamp.shape[1], 0), (0, stamp.shape[0])], np.float32)
        place = cv2.getAffineTransform(source, np.array([left, right, down], np.float32))
        window = self.window(np.array([left, right, down, right + down - left]), 1)
        if window is None:
            return
        (y0, y1, x0, x1), empty = window
        place[:, 2] -= (x0, y0)
        mask = cv2.warpAffine(stamp, place, empty.shape[::-1], flags=cv2.INTER_AREA)
        self.lay(mask, (y0, y1, x0, x1), colour, "", 0.0, 0.0)

    def glow(self, outline: np.ndarray, strength: float) -> None:
        """Lighten the painted pixels inside an outline softly."""
        pixels = self.frame.pixels(outline)
        soft = max(1, int(self.frame.scale * 0.12))
        window = self.window(pixels, 2 * soft)
        if window is None:
            return
        (y0, y1, x0, x1), mask = window
        cv2.fillPoly(mask, [fixed(pixels, x0, y0)], 255, cv2.LINE_AA, SHIFT)
        cover = cv2.blur(mask, (2 * soft + 1, 2 * soft + 1)).astype(np.float32) * np.float32(strength / 255)
        under = self.colour[y0:y1, x0:x1]
        under += (250 * three(self.alpha[y0:y1, x0:x1]) - under) * three(cover)

    def trim(self, border: int) -> None:
        """Remove a border on all sides."""
        inside = np.s_[border:-border, border:-border]
        self.colour, self.alpha = self.colour[inside], self.alpha[inside]
        self.frame = replace(self.frame, x=self.frame.x - border, y=self.frame.y - border)
        self.touched = (0, len(self.alpha), 0, self.alpha.shape[1])

    def window(self, pixels: np.ndarray, margin: int) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
        """Return the part of the layer that a shape touches, and an empty mask of its size, or None without one."""
        height, width = self.alpha.shape
        x0, y0 = np.floor(pixels.min(0)).astype(int) - margin
        x1, y1 = np.ceil(pixels.max(0)).astype(int) + margin + 1
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if x1 <= x0 or y1 <= y0:
            return None
        return (int(y0), int(y1), int(x0), int(x1)), np.zeros((y1 - y0, x1 - x0), np.uint8)

    def lay(
        self,
        mask: np.ndarray,
        window: tuple[int, int, int, int],
        colour: Colour,
        texture: str,
        amount: float,
        shade: float,
        pattern: str = "",
    ) -> None:
        """Paint a colour, or a pattern of it, inside the mask."""
        y0, y1, x0, x1 = window
        top, bottom, left, right = self.touched
        self.touched = min(top, y0), max(bottom, y1), min(left, x0), max(right, x1)
        cover = mask.astype(np.float32) * np.float32(1 / 255)
        paint = np.asarray(colour, np.float32)
        if pattern:
            other = np.asarray(contrast(colour), np.float32)
            paint = paint + three(weave(pattern, self.frame.own(window), self.period)) * (other - paint)
        if texture or shade:
            bright = np.ones(mask.shape, np.float32)
            if shade:
                across = np.linspace(-shade, shade, x1 - x0, dtype=np.float32) * np.float32(self.light[0])
                down = np.linspace(-shade, shade, y1 - y0, dtype=np.float32) * np.float32(self.light[1])
                bright -= across[None, :] + down[:, None]
            if texture:
                bright += self.textures.piece(texture, mask.shape, self.rng) * np.float32(amount)
            paint = three(bright) * paint
        under = self.colour[y0:y1, x0:x1]
        under += (paint - under) * three(cover)
        covered = self.alpha[y0:y1, x0:x1]
        covered += (1 - covered) * cover


def three(plane: np.ndarray) -> np.ndarray:
    """Repeat a plane `(y, x)` as `(y, x, 3)`, which is much faster than numpy's broadcasting along the last axis."""
    return cv2.merge((plane, plane, plane))


def fixed(pixels: np.ndarray, x0: int, y0: int) -> np.ndarray:
    """Return pixels as OpenCV's fixed-point numbers, relative to a window."""
    return np.round((pixels - (x0, y0)) * (1 << SHIFT)).astype(np.int32)
