"""Hide the places of an image one after another, on a grid (section 4.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zfpipe.deconvnet.deconvnet import Units, project, refusal
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.occlusion.occlusion import Answers, Occlusion
from zfpipe.occlusion.plan import BATCH, Occluders, Plan
from zfpipe.reading.crops import PAPER_CROP
from zfpipe.sections import Deconvnet

TOGETHER = 8
"""Images processed together on a GPU. A CPU is no faster with several images: their maps do not fit its cache."""


@dataclass(frozen=True)
class Grid:
    """Positions of a square occluder of `size` pixels: its centre is at every `stride`th pixel of both axes."""

    size: int
    stride: int
    crop: int

    @classmethod
    def scaled(cls, size: int, stride: int, crop: int) -> "Grid":
        """Return a grid for a crop of `crop` pixels, from lengths for the paper's 224 x 224 crop."""
        size, stride = (max(1, round(length * crop / PAPER_CROP)) for length in (size, stride))
        return cls(size, stride, crop)

    @property
    def centres(self) -> Int64[np.ndarray, "side"]:
        """Return the pixels along one axis at which the occluder's centre is placed."""
        return np.arange(self.stride // 2, self.crop, self.stride)

    def occluders(self) -> Occluders:
        """Return all positions row by row; an occluder near the border reaches beyond it."""
        places = torch.from_numpy(self.centres) - self.size // 2
        tops, lefts = torch.cartesian_prod(places, places).unbind(1)
        return Occluders(tops, lefts, self.size, self.size)

    def on(self, mask: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "position"]:
        """Return the positions at which the occluder's centre lies inside a mask."""
        return mask[np.ix_(self.centres, self.centres)].ravel()

    def under(self, values: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "position"]:
        """Return the sum of the values under the occluder at each position."""
        sums = np.pad(values.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        first = np.clip(self.centres - self.size // 2, 0, self.crop)
        last = np.clip(self.centres - self.size // 2 + self.size, 0, self.crop)
        rows = sums[last] - sums[first]
        return (rows[:, last] - rows[:, first]).ravel()


@dataclass(frozen=True)
class Hidden:
    """Total activity of the strongest map, probability of the true class and best class, for each hidden place.

    The map is the one of the last convolution layer with the largest activation in the unoccluded image; that
    activation is at `(y, x)`. `whole_activity` and `whole_p_true` are measured on the unoccluded image.
    """

    map: int
    y: int
    x: int
    whole_activity: float
    whole_p_true: float
    activity: Float[np.ndarray, "position"]
    p_true: Float[np.ndarray, "position"]
    top1: Int64[np.ndarray, "position"]

    @property
    def drop(self) -> Float[np.ndarray, "position"]:
        """Return how far the true class's probability falls."""
        return self.whole_p_true - self.p_true

    @property
    def lost(self) -> Float[np.ndarray, "position"]:
        """Return how far the map's total activity falls."""
        return self.whole_activity - self.activity


def together(network: ConvNet | Foreign) -> int:
    """Return the number of images that go through the network together."""
    return 1 if isinstance(network, Foreign) or next(network.parameters()).device.type == "cpu" else TOGETHER


def planned(network: ConvNet | Foreign, grid: Grid) -> Plan:
    """Return the plan of a grid that `hide` uses for all images."""
    return Plan(network, grid.occluders(), BATCH * together(network))


@torch.inference_mode()
def hide(
    network: ConvNet | Foreign,
    images: Float[Tensor, "image 3 y x"],
    fill: Float[Tensor, "3 y x"],
    labels: Sequence[int],
    plan: Plan,
) -> list[Hidden]:
    """Hide one place of each image after another; `fill` replaces hidden pixels, in the network's input units."""
    whole, answers = looked(network, images, fill, plan)
    side = whole.maps.shape[-1]
    best = [divmod(int(maps.flatten().argmax()), side * side) for maps in whole.maps]
    activity, p_true, top1 = [], [], []
    for found in answers:
        sums = [maps[:, strongest].sum((1, 2)) for maps, (strongest, _) in zip(found.maps, best, strict=True)]
        activity.append(torch.stack(sums).double().cpu())
        true = [logits.softmax(1)[:, label] for logits, label in zip(found.logits, labels, strict=True)]
        p_true.append(torch.stack(true).double().cpu())
        top1.append(found.logits.argmax(2).cpu())
    columns = [torch.cat(parts, 1).numpy() for parts in (activity, p_true, top1)]
    return [
        Hidden(
            strongest,
            *divmod(place, side),
            float(whole.maps[number, strongest].sum()),
            float(whole.logits[number].softmax(0)[labels[number]]),
            *(column[number] for column in columns),
        )
        for number, (strongest, place) in enumerate(best)
    ]


def looked(
    network: ConvNet | Foreign, images: Float[Tensor, "image 3 y x"], fill: Float[Tensor, "3 y x"], plan: Plan
) -> tuple[Answers, Iterator[Answers]]:
    """Return a network's answers to whole images and, in parts, to every position; a foreign one takes one image."""
    if not isinstance(network, Foreign):
        occlusion = Occlusion(network, images, fill)
        return occlusion.unoccluded, occlusion.answers(plan)
    [image] = images
    other = network.occlusion(image, fill)
    found = other.answers(plan.occluders)
    return other.unoccluded, (Answers(one.logits[None], one.maps[None]) for one in found)


def energy(
    network: ConvNet | Foreign, image: Float[Tensor, "3 y x"], hidden: Hidden, settings: Deconvnet
) -> Float[np.ndarray, "y x"]:
    """Return the squared projection of the strongest activation, summed over colours; zero if it can't be projected."""
    if refusal(network, settings):
        return np.zeros(image.shape[1:])
    layer = network.architecture.convs[-1].layer
    places = (torch.tensor([place], device=image.device) for place in (hidden.map, hidden.y, hidden.x))
    pixels, _ = project(network, image[None], Units(layer, *places), settings)
    return pixels[0].double().square().sum(0).cpu().numpy()
