"""The architecture of a run's network: lay the run's edit over its base, then compute the size of every layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from zfpipe.errors import UserError
from zfpipe.params import Params, explain
from zfpipe.sections import Network
from zfpipe.values import fail


@dataclass(frozen=True)
class Pool:
    """Max pooling: side of the windows, their distance, and whether the last window may extend beyond the map."""

    size: int
    stride: int
    ceil: bool

    def pooled(self, size: int) -> int:
        """Return the side of a map of side `size` after pooling."""
        windows = (size - self.size) // self.stride + 1
        if self.ceil:
            windows = -(-(size - self.size) // self.stride) + 1
            if (windows - 1) * self.stride >= size:  # as in torch: a window must start inside the map
                windows -= 1
        return windows


POOL = Pool(3, 2, ceil=True)
"""The paper's overlapping pooling, after layers 1, 2 and 5 (section 3, Fig. 3)."""


@dataclass(frozen=True)
class Filters:
    """Parameters of a convolution layer; the sizes of the maps follow from them."""

    layer: int
    maps: int
    filter_size: int
    stride: int
    padding: int
    pool: Pool | None = None
    normed: bool = False


@dataclass(frozen=True)
class Conv:
    """A convolution layer: convolution, ReLU, then optional pooling and normalisation in the order of `Norm`.

    Sizes are sides of square maps in pixels: `input_size` before the convolution, `map_size` after the convolution,
    `size` after the pooling.
    """

    layer: int
    maps_in: int
    maps: int
    filter_size: int
    stride: int
    padding: int
    pool: Pool | None
    normed: bool
    input_size: int
    map_size: int
    size: int


@dataclass(frozen=True)
class Dense:
    """A fully connected layer. The softmax of the paper's networks is layer 8, even if layers below are left out."""

    layer: int
    units_in: int
    units: int
    kind: Literal["hidden", "softmax"]


@dataclass(frozen=True)
class Outline:
    """The layers of any network for crops of side `crop`: layers with maps, then fully connected layers."""

    crop: int
    convs: tuple[Any, ...]
    denses: tuple[Dense, ...]

    @property
    def top_hidden(self) -> int | None:
        """The highest fully connected layer below the softmax (7 in the paper), or None if there is none."""
        return max((dense.layer for dense in self.denses if dense.kind == "hidden"), default=None)


@dataclass(frozen=True)
class Architecture(Outline):
    """The layers of a network like Fig. 3, with all sizes."""

    convs: tuple[Conv, ...]

    @property
    def features(self) -> int:
        """Number of inputs of the first fully connected layer (9,216 in the paper)."""
        return self.denses[0].units_in


def filtered(size: int, filter_size: int, stride: int, padding: int) -> int:
    """Return the side of a map after a convolution. The filter does not fit if the result is 0 or less."""
    return (size + 2 * padding - filter_size) // stride + 1


def scaled(count: int, width: float) -> int:
    """Return a number of maps or units multiplied by the width, at least one."""
    return max(1, round(count * width))


def architecture(model: Network, crop: int, classes: int) -> Architecture:
    """Compute all layers of a network like Fig. 3.

    Raises ValueError, with a message about params.yaml, if a map shrinks to nothing.
    """
    shapes = {
        1: (model.filter_size, model.stride, model.padding),
        2: (model.conv2.filter_size, model.conv2.stride, model.conv2.padding),
    }
    filters = [
        Filters(
            layer,
            scaled(model.maps[layer - 1], model.width),
            *shapes.get(layer, (3, 1, 1)),
            POOL if layer in (1, 2, 5) else None,
            layer in (1, 2),
        )
        for layer in range(1, 6)
        if layer not in model.drop
    ]
    hidden = {layer: scaled(model.fc[layer - 6], model.width) for layer in (6, 7) if layer not in model.drop}
    return sized(filters, hidden | {8: classes}, crop)


def sized(filters: Iterable[Filters], units: Mapping[int, int], crop: int) -> Architecture:
    """Build the architecture from convolution layers and the numbers of units by layer; the softmax comes last.

    Raises ValueError, with a message about params.yaml, if a map shrinks to nothing.
    """
    convs: list[Conv] = []
    maps_in, size = 3, crop
    for one in filters:
        map_size = filtered(size, one.filter_size, one.stride, one.padding)
        if map_size < 1:
            raise ValueError(
                f"layer {one.layer}'s maps shrink to nothing: a {one.filter_size}x{one.filter_size} filter on "
                f"{size}x{size} maps; must leave at least 1x1: use a smaller stride or filter, or a larger crops.size"
            )
        if one.pool and one.pool.pooled(map_size) < 1:
            raise ValueError(
                f"layer {one.layer}'s maps shrink to {map_size}x{map_size}, too small for the {one.pool.size}x"
                f"{one.pool.size} pooling that follows: use a smaller stride or filter, or a larger crops.size"
            )
        size_out = one.pool.pooled(map_size) if one.pool else map_size
        convs.append(
            Conv(
                one.layer, maps_in, one.maps, one.filter_size, one.stride, one.padding, one.pool, one.normed,
                size, map_size, size_out,
            )
        )  # fmt: skip
        maps_in, size = one.maps, size_out
    denses: list[Dense] = []
    units_in = maps_in * size**2
    for layer, count in units.items():
        denses.append(Dense(layer, units_in, count, "softmax" if layer == max(units) else "hidden"))
        units_in = count
    return Architecture(crop, tuple(convs), tuple(denses))


def variant(settings: Params, run: str) -> Network:
    """Return the parameters of a run's network.

    Raises UserError if the edit is not valid, or if a map shrinks to nothing with these crops.
    """
    entry = settings.runs[run]
    base: Network = getattr(settings, entry.base)
    check_shapes(entry.base, base, settings.crops.size)
    try:
        found = merged(base, entry.edit)
    except ValidationError as error:
        raise UserError(f"params.yaml: {explain(error, ('runs', run, 'edit'))}") from None
    check_shapes(f"runs.{run} on {entry.base}", found, settings.crops.size)
    return found


def variants(settings: Params) -> dict[str, Network]:
    """Return the parameters of every run's network. Raises UserError as `variant` does."""
    return {run: variant(settings, run) for run in settings.runs}


def merged(base: Network, edit: dict[str, Any]) -> Network:
    """Return the base with some fields replaced. A nested section is edited field by field."""

    def overlay(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        nested = {key: overlay(old[key], value) for key, value in new.items() if isinstance(value, dict) and key in old}
        return {**old, **new, **nested}

    return type(base).model_validate(overlay(base.model_dump(), edit))


def check_shapes(where: str, model: Network, crop: int) -> None:
    """Raise UserError if a map of the network shrinks to nothing."""
    if model.origin:
        return  # a foreign network's layers are known only after its file has been read
    try:
        architecture(model, crop, classes=1)
    except ValueError as error:
        fail(where, f"a network for {crop}x{crop} crops", str(error), assign=" is ")
