"""Two kinds of networks behind one interface: `AnyLens` for any network, `ChainLens` for zfpipe's own networks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zfpipe.anynet import occlusion as windows
from zfpipe.anynet import rule
from zfpipe.anynet.fields import Field, fields
from zfpipe.anynet.record import record
from zfpipe.anynet.rule import Norm, Units
from zfpipe.anynet.tape import Tape, scores
from zfpipe.deconvnet import deconvnet
from zfpipe.errors import UserError
from zfpipe.network.convnet import ConvNet, LayerTrace
from zfpipe.network.receptive_field import receptive_field
from zfpipe.occlusion.occlusion import Occlusion
from zfpipe.occlusion.plan import Occluders, Plan
from zfpipe.sections import Deconvnet

Answers = tuple[Tensor, Iterator[Tensor]]


class Lens(Protocol):
    """Interface of a network for the microscope. Maps are `(batch, map, y, x)`, scores `(batch, class)`."""

    @property
    def names(self) -> list[str]:
        """Names of the layers to look at, from the input up."""
        ...

    @property
    def main(self) -> list[str]:
        """Names of the ends of blocks and stages, or all names if there are few ends."""
        ...

    def shape(self, layer: str) -> tuple[int, int, int]:
        """Return number of maps, height and width of a layer. Raises UserError for an unknown layer."""
        ...

    def field(self, layer: str) -> Field | None:
        """Return the receptive field of a layer's units, or None if the field is unknown."""
        ...

    def refusal(self, layer: str) -> str | None:
        """Return in one line why a layer can't be projected, or None if it can."""
        ...

    def maps(self, images: Tensor, layers: Iterable[str], unlimited: bool = False) -> tuple[dict[str, Tensor], Tensor]:
        """Return the maps of some layers, and the scores. With `unlimited`, a ReLU6 gives the maps of a ReLU."""
        ...

    def project(self, images: Tensor, layer: str, units: Units) -> tuple[Tensor, Tensor]:
        """Project units to pixels; also return their activations."""
        ...

    def occlude(self, image: Tensor, fill: Tensor, occluders: Occluders) -> Answers:
        """Return the scores of the whole image, and batches of scores with the occluder at each position."""
        ...


@dataclass
class AnyLens:
    """Any network; layers have their names in the network."""

    network: nn.Module
    size: int
    norm: Norm

    @cached_property
    def tape(self) -> Tape:
        """The recorded calls of the network."""
        return record(self.network, (3, self.size, self.size))

    @property
    def names(self) -> list[str]:
        """Names of the rectified maps, in order."""
        return [call.name for call in self.tape.rectified]

    @property
    def main(self) -> list[str]:
        """Names of the ends of blocks and stages, or all names if there are few ends."""
        return [call.name for call in self.tape.main]

    @cached_property
    def fields(self) -> dict[int, Field]:
        """Receptive fields by the index of the call."""
        return fields(self.tape)

    def shape(self, layer: str) -> tuple[int, int, int]:
        """Return number of maps, height and width of a layer."""
        _, *sizes = self.tape.find(layer).shape
        return sizes[0], sizes[1], sizes[2]

    def field(self, layer: str) -> Field | None:
        """Return the receptive field of a layer's units, or None if the field is unknown."""
        return self.fields.get(self.tape.find(layer).index)

    def refusal(self, layer: str) -> str | None:
        """Return in one line why a layer can't be projected, or None if it can."""
        return rule.refusal(self.tape, self.tape.find(layer), self.norm)

    def maps(self, images: Tensor, layers: Iterable[str], unlimited: bool = False) -> tuple[dict[str, Tensor], Tensor]:
        """Return the maps of some layers, and the scores. With `unlimited`, a ReLU6 gives the maps of a ReLU."""
        found: dict[str, Tensor] = {}

        def keep(name: str) -> Any:
            return lambda maps: found.update({name: maps.clone()})

        wanted = {self.tape.find(layer).index: keep(layer) for layer in layers}
        answer = self.tape.run(images, wanted, unlimited=wanted if unlimited else ())
        return found, scores(answer)

    def project(self, images: Tensor, layer: str, units: Units) -> tuple[Tensor, Tensor]:
        """Project units to pixels; also return their activations."""
        return rule.project(self.tape, images, self.tape.find(layer), units, self.norm)

    def occlude(self, image: Tensor, fill: Tensor, occluders: Occluders) -> Answers:
        """Return the scores of the whole image, and batches of scores with the occluder at each position."""
        whole, answers = windows.Occlusion(self.tape, image, fill).answers(occluders)
        return scores(whole), map(scores, answers)


@dataclass
class ChainLens:
    """One of zfpipe's own networks, a chain of layers; layers have numbers."""

    network: ConvNet
    norm: Norm

    @property
    def names(self) -> list[str]:
        """Numbers of the convolution layers."""
        return [str(conv.layer) for conv in self.network.architecture.convs]

    @property
    def main(self) -> list[str]:
        """The same as `names`: a chain has no blocks."""
        return self.names

    def number(self, layer: str) -> int:
        """Return a layer's number. Raises UserError for an unknown layer."""
        if str(layer) not in self.names:
            raise UserError(f"layer {layer!r}: there is no such layer; must be one of {', '.join(self.names)}")
        return int(layer)

    def shape(self, layer: str) -> tuple[int, int, int]:
        """Return number of maps, height and width of a layer."""
        number = self.number(layer)
        conv = next(conv for conv in self.network.architecture.convs if conv.layer == number)
        return conv.maps, conv.map_size, conv.map_size

    def field(self, layer: str) -> Field | None:
        """Return the receptive field of a layer's units."""
        found = receptive_field(self.network.architecture, self.number(layer))
        return Field(found, found)

    def refusal(self, layer: str) -> str | None:
        """Return None: every layer can be projected. Raises UserError for an unknown layer."""
        self.number(layer)

    @torch.inference_mode()
    def maps(self, images: Tensor, layers: Iterable[str], unlimited: bool = False) -> tuple[dict[str, Tensor], Tensor]:
        """Return the maps of some layers, and the scores. No layer of a chain has a ReLU6."""
        del unlimited
        wanted = {self.number(layer): str(layer) for layer in layers}
        found: dict[str, Tensor] = {}
        last: LayerTrace | None = None
        for last in self.network.trace(images, switches=False):
            if last.layer in wanted:
                found[wanted[last.layer]] = last.rectified
        assert last is not None
        return found, self.network.classify(last.output)

    def project(self, images: Tensor, layer: str, units: Units) -> tuple[Tensor, Tensor]:
        """Project units to pixels; also return their activations."""
        asked = deconvnet.Units(self.number(layer), units.maps, units.ys, units.xs)
        return deconvnet.project(self.network, images[units.rows], asked, Deconvnet(unpooling="sum", norm=self.norm))

    def occlude(self, image: Tensor, fill: Tensor, occluders: Occluders) -> Answers:
        """Return the scores of the whole image, and batches of scores with the occluder at each position."""
        occlusion = Occlusion(self.network, image[None], fill)
        answers = occlusion.answers(Plan(self.network, occluders))
        return occlusion.unoccluded.logits, (found.logits[0] for found in answers)
