"""The strongest activations of feature maps, projected to pixels, beside the image patches they saw (Fig. 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from tqdm import tqdm

from zfpipe.betons.crops import CENTRE
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batch, Batches
from zfpipe.convnet.deconvnet import Units
from zfpipe.convnet.network import ConvNet
from zfpipe.convnet.receptive_field import ReceptiveField, receptive_field
from zfpipe.convnet.windows import project_windows
from zfpipe.params import Deconvnet, Projections

BATCH = 64


@dataclass(frozen=True)
class Crops:
    """Centre crops of some images: pixels, and where each image stands among them."""

    images: UInt8[torch.Tensor, "image y x 3"]
    labels: torch.Tensor
    position: dict[int, int]

    def batch(self, ids: Sequence[int]) -> Batch:
        """These images, as a reader's batch of centre crops."""
        places = torch.tensor([self.position[image] for image in ids])
        return Batch(self.images[places], self.labels[places], torch.tensor(ids), torch.full_like(places, CENTRE))


@dataclass(frozen=True)
class LayerProjections:
    """One layer's projections, cut to their receptive fields; zero beyond the image's border.

    Axis 0 is the drawn maps in ascending order, axis 1 the rank. `rows` has one line per unit, in that order.
    """

    rows: pd.DataFrame
    projections: Float[np.ndarray, "map rank y x 3"]
    patches: UInt8[np.ndarray, "map rank y x 3"]


def chosen(strongest: pd.DataFrame, settings: Projections) -> pd.DataFrame:
    """Of the strongest activations those of a seeded random subset of every layer's maps."""
    parts = []
    for layer in sorted(set(strongest["layer"].tolist())):
        rows = strongest.query("layer == @layer")
        generator = np.random.default_rng([settings.seed, layer])
        maps = generator.permutation(rows["map"].nunique())[: settings.maps]
        parts.append(rows[rows["map"].isin(maps.tolist())])
    return pd.concat(parts, ignore_index=True)


def gather(batches: Batches, ids: set[int]) -> Crops:
    """The centre crops of the images with these ids."""
    images, labels, position = [], [], {}
    for batch in tqdm(batches.epoch(), total=len(batches), desc="images", leave=False, disable=None):
        for row, image in enumerate(batch.ids.tolist()):
            if image in ids:
                position[image] = len(images)
                images.append(batch.images[row].clone())
                labels.append(batch.labels[row])
    assert len(position) == len(ids), "the activations are of other images than the beton"
    return Crops(torch.stack(images), torch.stack(labels), position)


def project_layer(
    network: ConvNet, crops: Crops, rows: pd.DataFrame, inputs: MeanSubtraction, settings: Deconvnet
) -> LayerProjections:
    """Projects one layer's activations; `rows` are those of `chosen` for it."""
    layer = int(rows["layer"].to_numpy()[0])
    field = receptive_field(network.architecture, layer)
    shape = (len(rows), field.size, field.size, 3)
    projections, patches = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    positions = torch.tensor([crops.position[image] for image in rows["id"].tolist()])
    units = torch.from_numpy(rows[["map", "y", "x"]].to_numpy(np.int64).copy())
    centre = torch.full((len(rows),), 4)
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        batch = Batch(crops.images[positions[part]], crops.labels[positions[part]], positions[part], centre[part])
        maps, ys, xs = units[part].to(inputs.device).unbind(1)
        pixels, _ = project_windows(network, inputs(batch), Units(layer, maps, ys, xs), settings)
        projections[part] = rearrange(pixels, "batch rgb y x -> batch y x rgb").cpu().numpy()
        for offset, (_, y, x) in enumerate(units[part].tolist()):
            patches[start + offset] = window(batch.images[offset].numpy(), field, y, x)
    ranks = int(rows["rank"].to_numpy().max()) + 1
    spans = {f"{axis}{end}": [field.span(unit)[end] for unit in rows[axis]] for end in (0, 1) for axis in ("x", "y")}
    described = rows.assign(label=crops.labels[positions].numpy(), **spans)
    return LayerProjections(
        described,
        rearrange(projections, "(map rank) y x rgb -> map rank y x rgb", rank=ranks),
        rearrange(patches, "(map rank) y x rgb -> map rank y x rgb", rank=ranks),
    )


def window(image: np.ndarray, field: ReceptiveField, y: int, x: int) -> np.ndarray:
    """What the unit at `(y, x)` sees of an image `(y, x, 3)`, in a square of its field; zero beyond."""
    cut = np.zeros((field.size, field.size, 3), image.dtype)
    (top, _), (left, _) = field.span(y), field.span(x)
    (y0, y1), (x0, x1) = field.visible(y), field.visible(x)
    cut[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return cut
