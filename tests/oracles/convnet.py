"""Write sections 2 and 2.1 a second time: plain loops over single numbers, in float64, from the paper's words."""

from dataclasses import dataclass

import numpy as np


@dataclass
class PlainLayer:
    """Hold a convolution layer: weights (map, map_in, y, x), biases, and what follows."""

    weight: np.ndarray
    bias: np.ndarray
    stride: int
    padding: int
    pool: tuple[int, int, bool] | None  # size, stride, and whether the last window may overhang
    normed: bool


@dataclass
class PlainTrace:
    """Hold what the forward pass leaves for the projection."""

    rectified: np.ndarray
    switches: dict[tuple[int, int, int], tuple[int, int]]
    output: np.ndarray


def convolve(maps: np.ndarray, layer: PlainLayer) -> np.ndarray:
    """Apply filters (map_in, y, x), which gives (map, y, x)."""
    count, _, size, _ = layer.weight.shape
    side = (maps.shape[1] + 2 * layer.padding - size) // layer.stride + 1
    padded = np.pad(maps, ((0, 0), (layer.padding,) * 2, (layer.padding,) * 2))
    result = np.zeros((count, side, side))
    for out in range(count):
        for y in range(side):
            for x in range(side):
                top, left = y * layer.stride, x * layer.stride
                result[out, y, x] = layer.bias[out] + np.sum(
                    padded[:, top : top + size, left : left + size] * layer.weight[out]
                )
    return result


def pool(
    maps: np.ndarray, size: int, stride: int, ceil: bool
) -> tuple[np.ndarray, dict[tuple[int, int, int], tuple[int, int]]]:
    """Take the maximum of square windows (in the paper 3x3 every 2 pixels, with overhang).

    Return also the maxima's places.
    """
    count, side, _ = maps.shape
    windows, start = 0, 0
    while start + size <= side or (ceil and start < side and start - stride + size < side):
        windows, start = windows + 1, start + stride
    result, switches = np.zeros((count, windows, windows)), {}
    for out in range(count):
        for y in range(windows):
            for x in range(windows):
                places = [
                    (row, column)
                    for row in range(stride * y, min(stride * y + size, side))
                    for column in range(stride * x, min(stride * x + size, side))
                ]
                best = max(places, key=lambda place: maps[out][place])
                result[out, y, x], switches[out, y, x] = maps[out][best], best
    return result, switches


def normalise(maps: np.ndarray, size: int, k: float, alpha: float, beta: float) -> np.ndarray:
    """Divide each map by a power of the squares of neighbouring maps; alpha is divided by `size`, as in torch."""
    result = np.zeros_like(maps)
    for out in range(len(maps)):
        near = range(max(0, out - size // 2), min(len(maps), out + size // 2 + 1))
        result[out] = maps[out] / (k + alpha / size * sum(maps[other] ** 2 for other in near)) ** beta
    return result


def up(
    image: np.ndarray, layers: list[PlainLayer], norm: tuple[int, float, float, float], before_pool: bool = False
) -> list[PlainTrace]:
    """Run the convnet layer by layer."""
    traces, signal = [], image
    for layer in layers:
        rectified = signal = np.maximum(convolve(signal, layer), 0)
        switches = {}
        if layer.normed and before_pool:
            signal = normalise(signal, *norm)
        if layer.pool:
            signal, switches = pool(signal, *layer.pool)
        if layer.normed and not before_pool:
            signal = normalise(signal, *norm)
        traces.append(PlainTrace(rectified, switches, signal))
    return traces


def down(
    image: np.ndarray, layers: list[PlainLayer], traces: list[PlainTrace], start: tuple[int, int, int], overwrite: bool
) -> np.ndarray:
    """Project one activation of the last layer's rectified maps to pixels (section 2.1)."""
    signal = np.zeros_like(traces[-1].rectified)
    signal[start] = traces[-1].rectified[start]
    return descend(image, layers, traces, signal, overwrite)


def descend(
    image: np.ndarray, layers: list[PlainLayer], traces: list[PlainTrace], signal: np.ndarray, overwrite: bool
) -> np.ndarray:
    """Project a signal in the last layer's rectified maps to pixels."""
    for position in range(len(layers) - 1, -1, -1):
        layer = layers[position]
        signal = np.maximum(signal, 0)
        below = traces[position - 1].output.shape if position else image.shape
        signal = filter_down(signal, layer, below)
        if position:
            signal = unpool(signal, traces[position - 1], overwrite)
    return signal


def unpool(signal: np.ndarray, trace: PlainTrace, overwrite: bool) -> np.ndarray:
    """Put each pooled value to the place of its maximum, if there was a pool."""
    if not trace.switches:
        return signal
    wide = np.zeros_like(trace.rectified)
    for (out, y, x), place in trace.switches.items():
        wide[out][place] = signal[out, y, x] if overwrite else wide[out][place] + signal[out, y, x]
    return wide


def filter_down(maps: np.ndarray, layer: PlainLayer, shape: tuple[int, ...]) -> np.ndarray:
    """Add each value's filter, weighted by the value, to the pixels that gave the value. There is no bias."""
    count, maps_in, size, _ = layer.weight.shape
    result = np.zeros((maps_in, shape[1] + 2 * layer.padding, shape[2] + 2 * layer.padding))
    for out in range(count):
        for y in range(maps.shape[1]):
            for x in range(maps.shape[2]):
                top, left = y * layer.stride, x * layer.stride
                result[:, top : top + size, left : left + size] += maps[out, y, x] * layer.weight[out]
    edge = layer.padding
    return result[:, edge : edge + shape[1], edge : edge + shape[2]]
