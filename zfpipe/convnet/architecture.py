"""The shapes of a network, from its parameters: sizes of maps, filters and features, by arithmetic alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # params.py checks networks with this module
    from zfpipe.params import Model

POOL_SIZE = 3
POOL_STRIDE = 2
"""Max pooling after layers 1, 2 and 5: overlapping windows, ceil mode (3 x 3, stride 2; section 3, Fig. 3)."""


@dataclass(frozen=True)
class Conv:
    """A convolution layer: filter, ReLU, then perhaps pooling, then perhaps normalisation.

    Sizes are sides of squares in pixels of that layer's maps: `input_size` of what comes in, `map_size`
    after the filter, `size` after the pooling.
    """

    layer: int
    maps_in: int
    maps: int
    filter_size: int
    stride: int
    padding: int
    pooled: bool
    normed: bool
    input_size: int
    map_size: int
    size: int


@dataclass(frozen=True)
class Dense:
    """A fully connected layer; layer 8 is the softmax, named so whatever was left out below it."""

    layer: int
    units_in: int
    units: int
    kind: Literal["hidden", "softmax"]


@dataclass(frozen=True)
class Architecture:
    """The layers of a network in order, with every size worked out for one input size."""

    crop: int
    convs: tuple[Conv, ...]
    denses: tuple[Dense, ...]

    @property
    def features(self) -> int:
        """Values that enter the first fully connected layer (9,216 for the paper's network)."""
        return self.denses[0].units_in


def filtered(size: int, filter_size: int, stride: int, padding: int) -> int:
    """The side of a map after a convolution; 0 or less: the filter does not fit."""
    return (size + 2 * padding - filter_size) // stride + 1


def pooled(size: int) -> int:
    """The side of a map after the pooling, in ceil mode: a last window may hang over the border."""
    windows = -(-(size - POOL_SIZE) // POOL_STRIDE) + 1
    if (windows - 1) * POOL_STRIDE >= size:  # torch's rule: a window has to start inside
        windows -= 1
    return windows


def scaled(count: int, width: float) -> int:
    """A number of maps or units at this width; at least one."""
    return max(1, round(count * width))


def architecture(model: "Model", crop: int, classes: int) -> Architecture:
    """Works out every layer of a network.

    Raises ValueError, in words for params.yaml, where a map shrinks to nothing.
    """
    filters = {
        1: (model.filter_size, model.stride, model.padding),
        2: (model.conv2.filter_size, model.conv2.stride, model.conv2.padding),
    }
    convs: list[Conv] = []
    maps_in, size = 3, crop
    for layer in (layer for layer in range(1, 6) if layer not in model.drop):
        filter_size, stride, padding = filters.get(layer, (3, 1, 1))
        map_size = filtered(size, filter_size, stride, padding)
        if map_size < 1:
            raise ValueError(
                f"layer {layer}'s maps shrink to nothing: a {filter_size}x{filter_size} filter on {size}x{size} maps; "
                "must leave at least 1x1: use a smaller stride or filter, or a larger crops.size"
            )
        is_pooled = layer in (1, 2, 5)
        maps = scaled(model.maps[layer - 1], model.width)
        size_out = pooled(map_size) if is_pooled else map_size
        if is_pooled and map_size < POOL_SIZE:
            raise ValueError(
                f"layer {layer}'s maps shrink to {map_size}x{map_size}, less than the {POOL_SIZE}x{POOL_SIZE} pooling "
                "that follows: use a smaller stride or filter, or a larger crops.size"
            )
        convs.append(
            Conv(
                layer, maps_in, maps, filter_size, stride, padding, is_pooled, layer in (1, 2), size, map_size, size_out
            )
        )
        maps_in, size = maps, size_out
    denses: list[Dense] = []
    units_in = maps_in * size * size
    for layer in (layer for layer in (6, 7) if layer not in model.drop):
        units = scaled(model.fc[layer - 6], model.width)
        denses.append(Dense(layer, units_in, units, "hidden"))
        units_in = units
    denses.append(Dense(8, units_in, classes, "softmax"))
    return Architecture(crop, tuple(convs), tuple(denses))
