"""Interface of a convnet from another library: some of its layers, with numbers, and the units above them."""

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
    """A layer to look at: its number, its name in the network, and the number and side of its square maps.

    `field` is the receptive field of the units. The jump is 0 if every unit sees the whole crop.
    """

    layer: int
    name: str
    maps: int
    map_size: int
    field: ReceptiveField


@dataclass(frozen=True)
class Layers(Outline):
    """The layers of a foreign network to look at, from the input up, then the units above them."""

    convs: tuple[Maps, ...]
    denses: tuple[Dense, ...]


class Foreign(nn.Module, ABC):
    """A network with its own projection to pixels and its own occlusion. Inputs and outputs are as in `ConvNet`.

    `input_mean` is the mean of each colour for pixels from 0 to 255. `described` is what is needed, besides the
    weights, to build the network again.
    """

    architecture: Layers
    input_mean: Sequence[float]
    described: dict[str, Any]

    @abstractmethod
    def trace(
        self, images: Float[Tensor, "batch 3 y x"], last: int | None = None, switches: bool = True
    ) -> Iterator[LayerTrace]:
        """Yield the layers up to `last`: rectified maps, and the input of the layer above. There are no switches."""

    @abstractmethod
    def features(self, images: Float[Tensor, "batch 3 y x"]) -> Iterator[tuple[int, Tensor]]:
        """Yield the output of each layer by number: maps, then units, the logits last."""

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
        """Project one unit of each image to pixels; also return the activations."""

    @abstractmethod
    def project_dense(
        self,
        images: Float[Tensor, "unit 3 y x"],
        layer: int,
        units: Int64[Tensor, "unit"],
        norm: Literal["skip", "gradient"],
    ) -> tuple[Float[Tensor, "unit 3 y x"], Float[Tensor, "unit"]]:
        """Project one unit of a fully connected layer for each image; also return the values."""

    @abstractmethod
    def occlusion(self, image: Float[Tensor, "3 y x"], fill: Float[Tensor, "3 y x"]) -> Any:
        """Return the occlusion of an image, with the methods of `zfpipe.occlusion.occlusion.Occlusion`."""

    @abstractmethod
    def refusal(self, norm: Literal["skip", "gradient"]) -> str | None:
        """Return why the network can't be projected, as a clause, or None if it can."""

    @abstractmethod
    def counts(self) -> dict[int, int]:
        """Return, for each layer, the number of weights and biases between the layer below and this layer."""

    @abstractmethod
    def with_new_softmax(self, classes: int, std: float, seed: int) -> "Foreign":
        """Return a copy with a new softmax, drawn from N(0, std); all other layers are fixed."""

    @abstractmethod
    def untrained(self, seed: int) -> "Foreign":
        """Return a copy with random weights."""
