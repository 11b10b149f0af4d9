"""What a microscope asks of a network, in two ways: of any network by its tape, of zfpipe's own by its exact chain."""

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
from zfpipe.params import Deconvnet

Answers = tuple[Tensor, Iterator[Tensor]]


class Lens(Protocol):
    """What can be asked of a network. Maps are `(batch, map, y, x)`, scores `(batch, class)`."""

    @property
    def names(self) -> list[str]:
        """The layers to look at, from pixels up."""
        ...

    @property
    def main(self) -> list[str]:
        """Those of them that all goes through, or all where these are few."""
        ...

    def shape(self, layer: str) -> tuple[int, int, int]:
        """Maps, height and width of a layer. Raises UserError for an unknown one."""
        ...

    def field(self, layer: str) -> Field | None:
        """What its units see; None: it is not known."""
        ...

    def refusal(self, layer: str) -> str | None:
        """Why the layer can't be projected, in one line; None: it can."""
        ...

    def maps(self, images: Tensor, layers: Iterable[str]) -> tuple[dict[str, Tensor], Tensor]:
        """The maps of some layers, and the scores."""
        ...

    def project(self, images: Tensor, layer: str, units: Units) -> tuple[Tensor, Tensor]:
        """Units projected to pixels, and their activations."""
        ...

    def occlude(self, image: Tensor, fill: Tensor, occluders: Occluders) -> Answers:
        """The scores of the whole image and, by batches, of the image at every position of an occluder."""
        ...


@dataclass
class AnyLens:
    """Of any network: layers by their names in it."""

    network: nn.Module
    size: int
    norm: Norm

    @cached_property
    def tape(self) -> Tape:
        """The network's calls."""
        return record(self.network, (3, self.size, self.size))

    @property
    def names(self) -> list[str]:
        """Of the rectified maps, in order."""
        return [call.name for call in self.tape.rectified]

    @property
    def main(self) -> list[str]:
        """The ends of blocks and stages, or all where these are few."""
        return [call.name for call in self.tape.main]

    @cached_property
    def fields(self) -> dict[int, Field]:
        """What the units of each call see."""
        return fields(self.tape)

    def shape(self, layer: str) -> tuple[int, int, int]:
        """Maps, height and width of a layer."""
        _, *sizes = self.tape.find(layer).shape
        return sizes[0], sizes[1], sizes[2]

    def field(self, layer: str) -> Field | None:
        """What its units see."""
        return self.fields.get(self.tape.find(layer).index)

    def refusal(self, layer: str) -> str | None:
        """Why the layer can't be projected."""
        return rule.refusal(self.tape, self.tape.find(layer), self.norm)

    def maps(self, images: Tensor, layers: Iterable[str]) -> tuple[dict[str, Tensor], Tensor]:
        """The maps of some layers, and the scores."""
        found: dict[str, Tensor] = {}

        def keep(name: str) -> Any:
            return lambda maps: found.update({name: maps.clone()})

        answer = self.tape.run(images, {self.tape.find(layer).index: keep(layer) for layer in layers})
        return found, scores(answer)

    def project(self, images: Tensor, layer: str, units: Units) -> tuple[Tensor, Tensor]:
        """Units projected to pixels, and their activations."""
        return rule.project(self.tape, images, self.tape.find(layer), units, self.norm)

    def occlude(self, image: Tensor, fill: Tensor, occluders: Occluders) -> Answers:
        """The scores of the whole image, and those at every position."""
        whole, answers = windows.Occlusion(self.tape, image, fill).answers(occluders)
        return scores(whole), map(scores, answers)


@dataclass
class ChainLens:
    """Of a network of zfpipe's: layers by their numbers."""

    network: ConvNet
    norm: Norm

    @property
    def names(self) -> list[str]:
        """The convolution layers' numbers."""
        return [str(conv.layer) for conv in self.network.architecture.convs]

    @property
    def main(self) -> list[str]:
        """All: it is a chain."""
        return self.names

    def number(self, layer: str) -> int:
        """A layer's number. Raises UserError for another."""
        if str(layer) not in self.names:
            raise UserError(f"layer {layer!r}: there is no such layer; must be one of {', '.join(self.names)}")
        return int(layer)

    def shape(self, layer: str) -> tuple[int, int, int]:
        """Maps, height and width of a layer."""
        number = self.number(layer)
        conv = next(conv for conv in self.network.architecture.convs if conv.layer == number)
        return conv.maps, conv.map_size, conv.map_size

    def field(self, layer: str) -> Field | None:
        """What its units see."""
        found = receptive_field(self.network.architecture, self.number(layer))
        return Field(found, found)

    def refusal(self, layer: str) -> str | None:
        """None: every layer can be projected."""
        self.number(layer)

    @torch.inference_mode()
    def maps(self, images: Tensor, layers: Iterable[str]) -> tuple[dict[str, Tensor], Tensor]:
        """The maps of some layers, and the scores."""
        wanted = {self.number(layer): str(layer) for layer in layers}
        found: dict[str, Tensor] = {}
        last: LayerTrace | None = None
        for last in self.network.trace(images, switches=False):
            if last.layer in wanted:
                found[wanted[last.layer]] = last.rectified
        assert last is not None
        return found, self.network.classify(last.output)

    def project(self, images: Tensor, layer: str, units: Units) -> tuple[Tensor, Tensor]:
        """Units projected to pixels, and their activations."""
        asked = deconvnet.Units(self.number(layer), units.maps, units.ys, units.xs)
        return deconvnet.project(self.network, images[units.rows], asked, Deconvnet(unpooling="sum", norm=self.norm))

    def occlude(self, image: Tensor, fill: Tensor, occluders: Occluders) -> Answers:
        """The scores of the whole image, and those at every position."""
        occlusion = Occlusion(self.network, image[None], fill)
        answers = occlusion.answers(Plan(self.network, occluders))
        return occlusion.unoccluded.logits, (found.logits[0] for found in answers)
