"""Any convnet for the pipeline's probes. The chosen layers are numbered from 1, then the units above them."""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zfpipe.anynet import occlusion, rule
from zfpipe.anynet.fields import fields
from zfpipe.anynet.outline import chosen, denses, handed_on, layer_of, pooled, replaced, top, whole
from zfpipe.anynet.record import record
from zfpipe.anynet.rule import Units
from zfpipe.anynet.tape import Call, scores
from zfpipe.errors import UserError
from zfpipe.network.convnet import LayerTrace
from zfpipe.network.foreign import Foreign, Layers, Maps
from zfpipe.occlusion.occlusion import Answers
from zfpipe.occlusion.plan import Occluders


class AnyNet(Foreign):
    """A network whose own input is `(pixels - mean) / std`. AnyNet takes `(batch, 3, crop, crop)`, pixels minus mean.

    `names` are the layers to look at, from the input up. If `names` is None, about five layers are chosen, spread over
    the depth of the network. A softmax at the end is left out. Raises UserError if the network cannot take the crops,
    gives no class scores, or has no layer of a name.
    """

    std: Tensor

    def __init__(
        self,
        module: nn.Module,
        crop: int,
        mean: Sequence[float],
        std: Sequence[float],
        names: Sequence[str] | None,
        described: dict[str, Any],
    ):
        super().__init__()
        self.module = module.eval().requires_grad_(False)
        self.input_mean, self.input_std, self.described = list(mean), list(std), described
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None], persistent=False)
        self.tape = record(module, (3, crop, crop))
        self.top = top(self.tape)
        self.calls = chosen(self.tape, names)
        seen = fields(self.tape)
        convs = tuple(
            Maps(layer, call.name, call.shape[1], call.shape[2], whole(seen.get(call.index), crop))
            for layer, call in enumerate(self.calls, 1)
        )
        self.architecture = Layers(crop, convs, denses(self.top, len(convs) + 1))

    def train(self, mode: bool = True) -> "AnyNet":
        """Keep evaluation mode: all layers but a new softmax are fixed (section 5.2)."""
        del mode
        return super().train(False)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weights under the network's own names."""
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(self, state: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights under the network's own names."""
        return self.module.load_state_dict(state, *args, **kwargs)

    def forward(self, images: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch class"]:
        """Return the logits of a batch."""
        if self.top.softmax is None:
            return scores(self.module(images / self.std))
        return scores(self.tape.run(images / self.std, {}, self.top.logits.index))

    def watched(
        self, images: Tensor, calls: Sequence[Call], last: Call | None = None, unlimited: Collection[int] = ()
    ) -> dict[int, Tensor]:
        """Return the outputs of some calls, by the index of the call; `unlimited` are ReLU6 without a ceiling."""
        found: dict[int, Tensor] = {}

        def keep(index: int) -> Callable[[Tensor], None]:
            return lambda given: found.update({index: given.clone()})

        wanted = {call.index: keep(call.index) for call in calls}
        self.tape.run(images / self.std, wanted, None if last is None else last.index, unlimited)
        return found

    def trace(
        self, images: Float[Tensor, "batch 3 y x"], last: int | None = None, switches: bool = True
    ) -> Iterator[LayerTrace]:
        """Yield the layers up to `last`. All layers are computed before the first is yielded.

        A ReLU6 is yielded as a plain ReLU. Otherwise many maps and images would be equally strong.
        """
        calls = self.calls[:last]
        outputs = [handed_on(self.tape, call) for call in calls]
        end = max((*calls, *outputs), key=lambda call: call.index)
        found = self.watched(images, [*calls, *outputs], end, [call.index for call in calls])
        for layer, (call, output) in enumerate(zip(calls, outputs, strict=True), 1):
            rectified, above = found[call.index], found[output.index]
            if output is call and call.limited:
                above = rectified.clamp(max=call.ceiling)
            yield LayerTrace(layer, rectified, None, None, above)

    def features(self, images: Float[Tensor, "batch 3 y x"]) -> Iterator[tuple[int, Tensor]]:
        """Yield the output of each layer by number. All layers are computed before the first is yielded."""
        outputs = [handed_on(self.tape, call) for call in self.calls]
        found = self.watched(images, [*outputs, *self.top.calls])
        given = [found[call.index] for call in outputs] + [pooled(found[call.index]) for call in self.top.calls]
        yield from enumerate(given, 1)

    def refusal(self, norm: Literal["skip", "gradient"]) -> str | None:
        """Return the reason why the network can't be projected, or None if it can."""
        reasons = [found for call in self.calls if (found := rule.refusal(self.tape, call, norm))]
        return reasons[0].partition("; ")[0] if reasons else None

    def project(
        self,
        images: Float[Tensor, "unit 3 y x"],
        layer: int,
        maps: Int64[Tensor, "unit"],
        ys: Int64[Tensor, "unit"],
        xs: Int64[Tensor, "unit"],
        norm: Literal["skip", "gradient"],
    ) -> tuple[Float[Tensor, "unit 3 y x"], Float[Tensor, "unit"]]:
        """Project one unit of each image to pixels by `zfpipe.anynet.rule`. Also return the activations."""
        units = Units(torch.arange(len(images), device=images.device), maps, ys, xs)
        pixels, activations = rule.project(self.tape, images / self.std, self.calls[layer - 1], units, norm)
        return pixels / self.std, activations

    def project_dense(
        self,
        images: Float[Tensor, "unit 3 y x"],
        layer: int,
        units: Int64[Tensor, "unit"],
        norm: Literal["skip", "gradient"],
    ) -> tuple[Float[Tensor, "unit 3 y x"], Float[Tensor, "unit"]]:
        """Project one unit of each image to pixels. The projection of a negative value, such as a logit, is zero."""
        call = self.top.calls[layer - len(self.calls) - 1]
        if reason := rule.refusal(self.tape, call, norm):
            raise UserError(reason)
        with torch.enable_grad():
            start = (images / self.std).detach().requires_grad_()
            values = pooled(self.tape.through(start.clone(), rule.Down(self.tape, call, norm), call.index))
        rows = torch.arange(len(images), device=images.device)
        signal = torch.zeros_like(values)
        signal[rows, units] = values.detach()[rows, units].relu()
        (pixels,) = torch.autograd.grad(values, start, signal)
        return pixels / self.std, values.detach()[rows, units]

    def occlusion(self, image: Float[Tensor, "3 y x"], fill: Float[Tensor, "3 y x"]) -> "Hiding":
        """Return the occlusion of an image; `fill` replaces the hidden pixels."""
        return Hiding(self, image / self.std, fill / self.std)

    def counts(self) -> dict[int, int]:
        """Return the number of weights and biases that each layer adds to the layer below."""
        ends = [*self.calls, *self.top.calls]
        found, seen = dict.fromkeys(range(1, len(ends) + 1), 0), set[int]()
        for call in self.tape.calls:
            above = [layer for layer, end in enumerate(ends, 1) if call.index <= end.index]
            module = layer_of(self.module, call)
            if module is not None and id(module) not in seen and above:
                seen.add(id(module))
                found[above[0]] += sum(one.numel() for one in module.parameters())
        return found

    def with_new_softmax(self, classes: int, std: float, seed: int) -> "AnyNet":
        """Return a copy with a new softmax, all else fixed. Raises UserError if the softmax can't be replaced."""
        module = replaced(self.module, self.top.classifier, classes)
        found = self.of(module, self.described | {"classes": classes})
        new = module.get_submodule(self.top.classifier.name).requires_grad_(True)
        nn.init.normal_(new.get_parameter("weight"), 0, std, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(new.get_parameter("bias"))
        return found

    def untrained(self, seed: int) -> "AnyNet":
        """Return a copy with new random weights, drawn by each layer's `reset_parameters`."""
        module = copy.deepcopy(self.module).cpu()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for part in module.modules():
                if callable(reset := getattr(part, "reset_parameters", None)):
                    reset()
        return self.of(module, self.described)

    def of(self, module: nn.Module, described: dict[str, Any]) -> "AnyNet":
        """Return an AnyNet for another module with the same layers, crops and input statistics."""
        names = [call.name for call in self.calls]
        where = self.std.device
        return AnyNet(module.cpu(), self.architecture.crop, self.input_mean, self.input_std, names, described).to(where)


@dataclass
class Hiding:
    """Occlusion of one image. Image and fill are in the units of AnyNet's own module."""

    network: AnyNet
    image: Tensor
    fill: Tensor

    def __post_init__(self) -> None:
        call = self.network.calls[-1]
        logits = self.network.top.logits
        self.windows = occlusion.Occlusion(self.network.tape, self.image, self.fill, call, logits.index)
        found: dict[int, Tensor] = {}
        answer = self.network.tape.run(
            self.image[None], {call.index: lambda maps: found.update({0: maps.clone()})}, logits.index
        )
        self.unoccluded = Answers(scores(answer), found[0])

    def answers(self, occluders: Occluders) -> Iterator[Answers]:
        """Yield the logits and the maps of the last chosen layer for each batch of positions, in order."""
        _, answers = self.windows.answers(occluders)
        for found in answers:
            assert self.windows.maps is not None
            yield Answers(scores(found), self.windows.maps)
