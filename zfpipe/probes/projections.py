"""Project the strongest activations of feature maps to pixels, and cut out the image patches they saw (Fig. 2)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, UInt8

from zfpipe.deconvnet.deconvnet import Units, refusal
from zfpipe.deconvnet.windows import project_windows
from zfpipe.deconvnet.windows import window as window_of
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.network.receptive_field import ReceptiveField
from zfpipe.reading.crops import CENTRE
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch
from zfpipe.sections import Deconvnet, Projections
from zfpipe.subject.subject import Crops, Subject
from zfpipe.unavailable import UnavailableError

BATCH = 32
"""Number of images that go through the network together, with all their units."""
PLACE = ["map", "y", "x", "position"]


@dataclass(frozen=True)
class LayerProjections:
    """One layer's projections, cut to their receptive fields; zero beyond the image's border.

    Axis 0 is the drawn maps in ascending order, axis 1 the rank. `rows` has one line per unit, in that order.
    """

    rows: pd.DataFrame
    projections: Float[np.ndarray, "map rank y x 3"]
    patches: UInt8[np.ndarray, "map rank y x 3"]


def chosen(strongest: pd.DataFrame, settings: Projections) -> pd.DataFrame:
    """Return the strongest activations of a seeded random subset of every layer's maps."""
    parts = []
    for layer in sorted(set(strongest["layer"].tolist())):
        rows = strongest.query("layer == @layer")
        generator = np.random.default_rng([settings.seed, layer])
        maps = generator.permutation(rows["map"].nunique())[: settings.maps]
        parts.append(rows[rows["map"].isin(maps.tolist())])
    return pd.concat(parts, ignore_index=True)


def run(
    subject: Subject, strongest: pd.DataFrame, settings: Projections, deconvnet: Deconvnet
) -> dict[str, pd.DataFrame | np.ndarray]:
    """Project a random subset of each layer's maps; return the tables and arrays by file name.

    Raise UnavailableError for a network that can't be projected.
    """
    if reason := refusal(subject.network, deconvnet):
        raise UnavailableError(reason)
    rows = chosen(strongest, settings)
    crops = subject.images(set(rows["id"].tolist()))
    found = sorted(project(subject.network, crops, rows, subject.inputs, deconvnet).items())
    arrays = {f"layer{layer}.npy": one.projections for layer, one in found}
    patches = {f"layer{layer}_patches.npy": one.patches for layer, one in found}
    table = pd.concat([one.rows for _, one in found], ignore_index=True)
    return {**arrays, **patches, "projections.parquet": table}


def project(
    network: ConvNet | Foreign, crops: Crops, rows: pd.DataFrame, inputs: MeanSubtraction, settings: Deconvnet
) -> dict[int, LayerProjections]:
    """Project the activations in `rows`, by layer; `rows` is the table of `chosen`, or some layers or maps of it.

    Activations of the same image share one forward pass. For a network that can't be projected the projections are
    zero.
    """
    rows = rows.assign(position=[crops.position[image] for image in rows["id"]], place=rows.groupby("layer").cumcount())
    layers = sorted(set(rows["layer"].tolist()))
    fields = {layer: window_of(network, layer) for layer in layers}
    projections = {
        layer: np.zeros((int((rows["layer"] == layer).sum()), field.size, field.size, 3), np.float32)
        for layer, field in fields.items()
    }
    for images in torch.tensor(sorted(set(rows["position"].tolist()))).split(BATCH):
        batch = Batch(crops.images[images], crops.labels[images], images, torch.full((len(images),), CENTRE))
        here = rows[rows["position"].isin(images.tolist())]
        parts = {layer: here.query("layer == @layer") for layer in layers}
        units = []
        for layer, part in parts.items():
            maps, ys, xs, positions = (torch.tensor(part[name].to_numpy(np.int64)) for name in PLACE)
            of = torch.searchsorted(images, positions)
            units.append((Units(layer, *(one.to(inputs.device) for one in (maps, ys, xs))), of.to(inputs.device)))
        if refusal(network, settings):
            break
        for layer, (pixels, _) in zip(layers, project_windows(network, inputs(batch), units, settings), strict=True):
            projections[layer][parts[layer]["place"]] = rearrange(pixels, "unit rgb y x -> unit y x rgb").cpu().numpy()
    return {
        layer: described(rows.query("layer == @layer"), crops, fields[layer], projections[layer]) for layer in layers
    }


def described(
    rows: pd.DataFrame, crops: Crops, field: ReceptiveField, projections: Float[np.ndarray, "unit y x 3"]
) -> LayerProjections:
    """Return one layer's projections with the image patches of its units, and their places."""
    places = zip(rows["position"], rows["y"], rows["x"], strict=True)
    patches = np.stack([window(crops.images[position].numpy(), field, y, x) for position, y, x in places])
    spans = {f"{axis}{end}": [field.span(unit)[end] for unit in rows[axis]] for end in (0, 1) for axis in ("x", "y")}
    labels = crops.labels[torch.tensor(rows["position"].tolist())].numpy()
    ranks = int(rows["rank"].to_numpy().max()) + 1
    return LayerProjections(
        rows.drop(columns=["position", "place"]).assign(label=labels, **spans),
        rearrange(projections, "(map rank) y x rgb -> map rank y x rgb", rank=ranks),
        rearrange(patches, "(map rank) y x rgb -> map rank y x rgb", rank=ranks),
    )


def window(image: np.ndarray, field: ReceptiveField, y: int, x: int) -> np.ndarray:
    """Return the receptive field of the unit at `(y, x)`, cut out of an image `(y, x, 3)`; zero beyond the image."""
    cut = np.zeros((field.size, field.size, 3), image.dtype)
    (top, _), (left, _) = field.span(y), field.span(x)
    (y0, y1), (x0, x1) = field.visible(y), field.visible(x)
    cut[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return cut
