"""A convnet of another library as the probes see it: some of its layers by number, and the units above them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float, Int64
from torch import Tensor, nn

from zfpipe.network.architecture import Dense, Outline
from zfpipe.network.convnet import LayerTrace
from zfpipe.network.receptive_field import ReceptiveField


@dataclass(frozen=True)
class Maps:
    """A layer that is looked at: its number, its name in the network, and the side of its square maps.

    `field` is what its units see; its `jump` is 0 where every unit sees all of the crop.
    """

    layer: int
    name: str
    maps: int
    map_size: int
    field: ReceptiveField


@dataclass(frozen=True)
class Layers(Outline):
    """The layers of a foreign network that are looked at, from pixels up, then the units above them."""

    convs: tuple[Maps, ...]
    denses: tuple[Dense, ...]


class Foreign(nn.Module, ABC):
    """A network that brings its own way down to pixels and its own occlusion; takes and gives what `ConvNet` does.

    `input_mean` is the mean of each colour, on the scale of pixels from 0 to 255. `described` is what has to be known
    to build the network again, beside its weights.
    """

    architecture: Layers
    input_mean: Sequence[float]
    described: dict[str, Any]

    @abstractmethod
    def trace(
        self, images: Float[Tensor, "batch 3 y x"], last: int | None = None, switches: bool = True
    ) -> Iterator[LayerTrace]:
        """Yield the layers up to `last`, rectified and as the layer above takes them; there are no switches."""

    @abstractmethod
    def features(self, images: Float[Tensor, "batch 3 y x"]) -> Iterator[tuple[int, Tensor]]:
        """Yield what each layer hands on, by number: maps, then units, last the logits."""

    @abstractmethod
    def project(
        self,
        images: Float[Tensor, "unit 3 y x"],
        layer: int,
        maps: Int64[Tensor, "unit"],
        ys: Int64[Tensor, "unit"],
        xs: Int64[Tensor, "unit"],
        norm: Literal["skip", "gradient"],
    ) -> tuple[Float[Tensor, "unit 3 y x"], Float[Tensor, "unit"]]:
        """Return a unit of each image projected to pixels, and its activation."""

    @abstractmethod
    def project_dense(
        self,
        images: Float[Tensor, "unit 3 y x"],
        layer: int,
        units: Int64[Tensor, "unit"],
        norm: Literal["skip", "gradient"],
    ) -> tuple[Float[Tensor, "unit 3 y x"], Float[Tensor, "unit"]]:
        """Return a unit of a fully connected layer for each image projected to pixels, and its value."""

    @abstractmethod
    def occlusion(self, image: Float[Tensor, "3 y x"], fill: Float[Tensor, "3 y x"]) -> Any:
        """Return what answers as `zfpipe.occlusion.Occlusion` does."""

    @abstractmethod
    def refusal(self, norm: Literal["skip", "gradient"]) -> str | None:
        """Return why the network can't be projected, as a clause; None: it can."""

    @abstractmethod
    def counts(self) -> dict[int, int]:
        """Return for each layer the weights and biases between the layer before and this one."""

    @abstractmethod
    def with_new_softmax(self, classes: int, std: float, seed: int) -> "Foreign":
        """Return a copy whose layers are fixed but for a new softmax from N(0, std)."""

    @abstractmethod
    def untrained(self, seed: int) -> "Foreign":
        """Return a copy with random weights."""
