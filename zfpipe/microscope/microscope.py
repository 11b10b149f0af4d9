"""The microscope for any convnet and any photo: what activates the maps, where, and which parts of a photo matter."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from zfpipe import paths
from zfpipe.anynet.fields import Field
from zfpipe.anynet.network import AnyNet
from zfpipe.anynet.rule import Norm, Units
from zfpipe.anynet.tape import spread
from zfpipe.errors import UserError
from zfpipe.microscope.lens import AnyLens, ChainLens, Lens
from zfpipe.microscope.photo import Preparation
from zfpipe.microscope.shown import Box, Invariance, Layer, Look, Occluded, Peak, Projection, Strongest, cut
from zfpipe.microscope.survey import distances, peaks, strongest, support
from zfpipe.network.convnet import ConvNet
from zfpipe.occlusion.plan import Occluders
from zfpipe.reading.crops import PAPER_CROP

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and spread of ImageNet's colours, used to train torchvision's networks."""
AMOUNTS: dict[str, list[float]] = {
    "translation": [-60, -40, -20, 0, 20, 40, 60],
    "scale": [1.0, 1.2, 1.4, 1.6, 1.8],
    "rotation": [0, 45, 90, 135, 180, 225, 270, 315],
}
"""Amounts of Fig. 5: pixels downwards of a 224 x 224 crop, factors, and degrees counterclockwise."""


class Microscope:
    """A microscope for one network.

    `network` is any nn.Module that takes images `(batch, 3, size, size)` and returns class scores `(batch, class)`.
    `mean` and `std` (one number for each colour, for pixels from 0 to 1, as in torchvision) normalise the input; use 0
    and 1 for a network without normalisation. `size` is the side of the input in pixels. The shortest side of a photo
    is resized to `resize` (by default 8/7 of `size`: 256 for 224), then the centre is cut out. `classes` are the class
    names. `norm` chooses the projection through local response normalisation: skip it, or use its gradient. The network
    runs in evaluation mode; its own mode is restored afterwards.

    Photos are paths, PIL images (both are turned as EXIF says), numpy arrays `(y, x, 3)` or tensors `(3, y, x)`, in
    RGB: uint8, or floats from 0 to 1, not normalised.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float] | np.ndarray = MEAN,
        std: Sequence[float] = STD,
        size: int = PAPER_CROP,
        *,
        resize: int | None = None,
        classes: Sequence[str] | None = None,
        norm: Norm = "skip",
    ):
        if not isinstance(network, nn.Module):
            raise UserError(f"network is a {type(network).__name__}; must be an nn.Module")
        if not isinstance(size, int) or size < 1 or (resize is not None and resize < size):
            raise UserError(f"size = {size}, resize = {resize}; must be whole numbers from 1, resize no less than size")
        where = next((one.device for one in network.parameters()), torch.device("cpu"))
        shift, spread = (torch.as_tensor(np.array(one), dtype=torch.float32) for one in (mean, std))
        if shift.shape not in ((3,), (3, size, size)) or spread.shape != (3,) or not (spread > 0).all():
            raise UserError(f"mean = {mean}, std = {std}; must be three numbers each, std above 0")
        shift = shift if shift.dim() == 3 else shift[:, None, None]
        self.preparation = Preparation(
            size, resize or round(size * 8 / 7), shift.to(where), spread[:, None, None].to(where)
        )
        self.network = network
        self.lens: Lens = ChainLens(network, norm) if isinstance(network, ConvNet) else AnyLens(network, size, norm)
        self._classes = list(classes) if classes is not None else None

    @classmethod
    def trained(cls, run: str = "zfnet") -> "Microscope":
        """Open a run of the pipeline in the current folder, with its mean image and class names.

        Layers have numbers, those of a foreign network their own names. Raises UserError if the run has no weights yet.
        """
        from zfpipe import params
        from zfpipe.beton.sidecar import read_sidecar
        from zfpipe.network import weights
        from zfpipe.network.architecture import variant
        from zfpipe.network.numerics import device
        from zfpipe.reading import mean

        path = paths.weights(run)
        if not path.exists():
            raise UserError(f"{path} not found in {Path.cwd()}; train it there: dvc repro train@{run}")
        source = variant(params.load(), run).origin if paths.PARAMS.exists() else None
        network = weights.load(path, device(), source)
        sidecar, size = read_sidecar(paths.beton("val")), network.architecture.crop
        names = sidecar.classes if len(sidecar.classes) == network.architecture.denses[-1].units else None
        if isinstance(network, AnyNet):
            shift, std = (np.array(one) / 255 for one in (network.input_mean, network.input_std))
            return cls(network.module, shift, std.tolist(), size, resize=sidecar.resize, classes=names)
        whole = mean.read(paths.MEAN)
        top = (len(whole) - size) // 2
        shift = whole[top : top + size, top : top + size].transpose(2, 0, 1)
        return cls(network, shift / 255, (1 / 255,) * 3, size, resize=sidecar.resize, classes=names)

    @property
    def layers(self) -> list[str]:
        """Names of the layers that are looked at by default: all rectified maps, from the input up.

        Any other layer with maps can be named too. Names follow torchvision's feature extraction: a layer has its
        qualified name, a function its module's name and its own (`layer1.0.add`), and a repeated name gets `_1`, `_2`,
        ... The layers of the pipeline's networks are numbered from 1.
        """
        return list(self.lens.names)

    def classes(self, count: int) -> list[str]:
        """Return `count` class names: the given names, ImageNet's if there are a thousand classes, or else numbers."""
        if self._classes is not None and len(self._classes) == count:
            return self._classes
        if count == 1000:
            from torchvision.models._meta import _IMAGENET_CATEGORIES

            return list(_IMAGENET_CATEGORIES)
        return [str(number) for number in range(count)]

    def classify(self, image: Any, count: int = 5) -> list[tuple[str, float]]:
        """Return the most probable classes of a photo with their probabilities (softmax), most probable first."""
        return self.best(self.lens.maps(self.tensor([image]), [])[1], count)

    def best(self, scores: Tensor, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes from the scores `(1, class)` of one photo."""
        shares, numbers = scores[0].softmax(0).topk(min(count, scores.shape[1]))
        names = self.classes(scores.shape[1])
        return [(names[number], share) for number, share in zip(numbers.tolist(), shares.tolist(), strict=True)]

    def square(self, image: Any) -> np.ndarray:
        """Return the part of a photo that the network sees: uint8 `(size, size, 3)`. Raises UserError for no photo."""
        return self.preparation.square(image)

    def tensor(self, images: Sequence[Any]) -> Tensor:
        """Return photos as the network's input, `(batch, 3, size, size)`."""
        return self.preparation.tensor([self.square(image) for image in images])

    def receptive_field(self, layer: str | int) -> Field:
        """Return size, step and first pixel of the units' receptive fields along each axis, in pixels of the crop.

        Raises UserError for an unknown layer, and if the receptive field of the layer can't be computed.
        """
        found = self.lens.field(str(layer))
        if found is None:
            raise UserError(
                f"layer {layer!r}: the receptive field is unknown, as a call below has no windows; project shows it"
            )
        return found

    def project(self, image: Any, layer: str | int, map: int, place: tuple[int, int] | None = None) -> Projection:
        """Project one activation of a photo to pixels by the deconvnet (section 2.1).

        `place` is row and column in the map, by default the place of the largest activation. Raises UserError for an
        unknown layer, map or place. Raises UserError, with the reason, for a layer that can't be projected.
        """
        name = str(layer)
        maps, height, width = self.lens.shape(name)
        if not 0 <= map < maps:
            raise UserError(f"map {map} of layer {name!r}; must be 0 to {maps - 1}")
        if place is not None and not (0 <= place[0] < height and 0 <= place[1] < width):
            raise UserError(f"place {place} in layer {name!r}; must be within {height} rows and {width} columns")
        square = self.square(image)
        tensor = self.preparation.tensor([square])
        if place is None:
            [(_, y, x)] = peaks(self.lens.maps(tensor, [name], unlimited=True)[0][name][0, map : map + 1])
            place = y, x
        return self.projections(square, tensor, name, [(map, *place)])[0]

    def projections(
        self, square: np.ndarray, tensor: Tensor, layer: str, units: Sequence[tuple[int, int, int]]
    ) -> list[Projection]:
        """Project several units of a layer together; `units` are map, row and column of each."""
        maps, ys, xs = (torch.tensor(column, device=tensor.device) for column in zip(*units, strict=True))
        rows = torch.zeros_like(maps)
        pixels, activations = self.lens.project(tensor, layer, Units(rows, maps, ys, xs))
        found = []
        for unit, one, activation in zip(units, pixels.permute(0, 2, 3, 1).cpu().numpy(), activations, strict=True):
            box = self.box(layer, unit[1], unit[2]) or support(one)
            found.append(Projection(layer, *unit, float(activation), one, box, square))
        return found

    def box(self, layer: str, y: int, x: int) -> Box | None:
        """Return the pixels that a unit sees, or None if the field is unknown or larger than the crop."""
        field, size = self.lens.field(layer), self.preparation.size
        if field is None or max(field.size) > size or 0 in (field.y.jump, field.x.jump):
            return None
        return field.box(y, x)

    def strongest(self, images: Iterable[Any], layer: str | int, count: int = 9) -> Strongest:
        """Find the `count` images that activate each map of a layer most, and the place in the map.

        `images` are read once and can be a generator. Memory grows with the number of maps, not of images. Raises
        UserError for an unknown layer or an unreadable image.
        """
        squares = (self.square(image) for image in images)
        found = strongest(self.lens, self.preparation, squares, str(layer), count)
        size, places = self.preparation.size, zip(found.ys.ravel().tolist(), found.xs.ravel().tolist(), strict=True)
        boxes = np.array([self.box(str(layer), y, x) or (0, 0, size, size) for y, x in places])
        return replace(found, boxes=boxes.reshape(*found.ys.shape, 4))

    def occlude(
        self,
        image: Any,
        target: int | str | None = None,
        size: int | None = None,
        stride: int | None = None,
        grey: float = 128,
    ) -> Occluded:
        """Return the probability of a class while a grey square hides each place of a photo in turn (section 4.2).

        `target` is a class by number or name, by default the most probable class. The square's side is `size` pixels of
        the crop. Its centre moves over every `stride`th pixel along both axes; at the border a part of the square lies
        outside. By default `size` is 40 and `stride` 16 for a crop of 224, other crops in proportion. Raises UserError
        for an unknown class or a length below 1.
        """
        return self.occlusions(self.square(image), [target], size, stride, grey)[0]

    def occlusions(
        self,
        square: np.ndarray,
        targets: Sequence[int | str | None],
        size: int | None = None,
        stride: int | None = None,
        grey: float = 128,
    ) -> list[Occluded]:
        """Compute `occlude` for several classes at once."""
        crop = self.preparation.size
        size, stride = size or max(1, round(40 * crop / PAPER_CROP)), stride or max(1, round(16 * crop / PAPER_CROP))
        if size < 1 or stride < 1 or size > crop:
            raise UserError(f"size = {size}, stride = {stride}; must be 1 to {crop} pixels")
        centres = torch.arange(stride // 2, crop, stride)
        tops, lefts = torch.cartesian_prod(centres - size // 2, centres - size // 2).unbind(1)
        tensor = self.preparation.tensor([square])[0]
        whole, answers = self.lens.occlude(tensor, self.preparation.grey(grey), Occluders(tops, lefts, size, size))
        shares = torch.cat([one.double().softmax(1).cpu() for one in answers]).numpy()
        unoccluded, side = whole.double().softmax(1)[0].cpu().numpy(), len(centres)
        names, best = self.classes(len(unoccluded)), shares.argmax(1).reshape(side, side)
        found = []
        for target in targets:
            number = int(unoccluded.argmax()) if target is None else self.number(target, names)
            map = shares[:, number].reshape(side, side)
            ys = centres.numpy()
            found.append(Occluded(number, names[number], float(unoccluded[number]), map, best, ys, ys, size, square))
        return found

    def number(self, target: int | str, names: Sequence[str]) -> int:
        """Return a class's number from its number, name or unique part of the name. Raises UserError for none."""
        if str(target).isdigit() and int(target) < len(names):
            return int(target)
        exact = [place for place, name in enumerate(names) if name.lower() == str(target).lower()]
        parts = exact or [place for place, name in enumerate(names) if str(target).lower() in name.lower()]
        if len(exact) >= 1 or len(parts) == 1:
            return parts[0]
        near = [names[place] for place in parts[:3]] or difflib.get_close_matches(str(target), names, 3, 0)
        raise UserError(f"class {target!r}; must be a number below {len(names)} or a name, such as {', '.join(near)}")

    def invariance(
        self,
        image: Any,
        kind: Literal["translation", "scale", "rotation"] = "rotation",
        amounts: Sequence[float] | None = None,
        target: int | str | None = None,
    ) -> Invariance:
        """Measure how the first and last layer and a class change as a photo is moved, enlarged or turned (Fig. 5).

        `amounts` are pixels of the crop downwards, factors, or degrees counterclockwise. Raises UserError for another
        `kind`.
        """
        from zfpipe.probes.invariance import transformed

        if kind not in AMOUNTS:
            raise UserError(f"kind = {kind!r}; must be one of {', '.join(AMOUNTS)}")
        size, resize = self.preparation.size, self.preparation.resize
        scale = size / PAPER_CROP if kind == "translation" else 1
        steps = [float(one) for one in (amounts if amounts is not None else [one * scale for one in AMOUNTS[kind]])]
        whole = Preparation(resize, resize, self.preparation.mean, self.preparation.std).square(image)
        none = 1.0 if kind == "scale" else 0.0
        squares = [transformed(whole, kind, amount, size, "reflect") for amount in (none, *steps)]
        layers = list(dict.fromkeys((self.layers[0], self.layers[-1])))
        distance, shares = distances(self.lens, self.preparation, squares, layers)
        classes = self.classes(shares.shape[1])
        number = int(shares[0].argmax()) if target is None else self.number(target, classes)
        return Invariance(kind, steps, number, classes[number], distance, shares[1:, number])

    def look(
        self,
        image: Any,
        layers: Sequence[str | int] | None = None,
        maps: int = 8,
        target: int | str | None = None,
    ) -> Look:
        """Examine one photo: the most probable classes, the strongest maps of some layers, and occlusion maps.

        `layers` are by default about five, spread over the network; `maps` is the number of maps of each layer.
        `target` is a class for a second occlusion map. Raises UserError for an unknown layer or class.
        """
        square = self.square(image)
        tensor = self.preparation.tensor([square])
        main = self.lens.main
        names = [str(layer) for layer in layers] if layers else spread(main, [self.lens.shape(one)[1] for one in main])
        found, scores = self.lens.maps(tensor, names, unlimited=True)
        shown = [self.layer(square, tensor, name, found[name][0], maps) for name in names]
        wanted: list[int | str | None] = [None] if target is None else [None, target]
        stride = max(1, round(20 * self.preparation.size / PAPER_CROP))
        return Look(
            square, self.best(scores, 5), 1 / scores.shape[1], shown, self.occlusions(square, wanted, stride=stride)
        )

    def layer(self, square: np.ndarray, tensor: Tensor, name: str, maps: Tensor, count: int) -> Layer:
        """Return the strongest maps `(map, y, x)` of one layer on a photo."""
        refused, (total, height, width) = self.lens.refusal(name), maps.shape
        values = maps.flatten(1).amax(1)
        numbers = [one for one in values.argsort(descending=True).tolist() if values[one] > 0][:count]
        places = [(number, y, x) for number, (_, y, x) in zip(numbers, peaks(maps[numbers]), strict=True)]
        projected = [None] * len(places)
        if not refused and places:
            projected = self.projections(square, tensor, name, places)
        size, shown = self.preparation.size, []
        for (number, y, x), one in zip(places, projected, strict=True):
            box = one.box if one else self.box(name, y, x) or (0, 0, size, size)
            shown.append(Peak(name, number, y, x, float(values[number]), box, cut(square, box), one))
        field = self.lens.field(name)
        if field is None or max(field.size) > size or field.y.jump == 0:
            sees = "all of the photo" + "; the frame is around what the projection shows" * (not refused)
        else:
            sees = "{} × {} pixels".format(*field.size)
        return Layer(name, total, height, width, sees, shown, refused)
