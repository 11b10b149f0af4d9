"""How each feature map comes to what excites it, through training (Fig. 4, section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from tqdm import tqdm

from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.params import Deconvnet, Evolution
from zfpipe.probes.projections import project
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.subject.subject import Subject
from zfpipe.unavailable import UnavailableError

SAMPLE = 2000
"""On so many images, the first of the beton's random order, is a map compared with what it becomes."""


@dataclass(frozen=True)
class Snapshot:
    """One layer after one epoch: each map's strongest image, and its maxima on the sample `(image, map)`."""

    strongest: pd.DataFrame
    maxima: Float[np.ndarray, "image map"]


def snapshots(folder: Path, elsewhere: bool) -> dict[int, Path]:
    """The weights in a folder by the epoch after which they were kept.

    Raises UnavailableError where there are none; `elsewhere`: the network was trained there.
    """
    files = {int(path.stem): path for path in sorted(folder.glob("*.safetensors"))}
    if elsewhere:
        raise UnavailableError("its layers were trained elsewhere (model.source), so there are no snapshots of them")
    if not files:
        raise UnavailableError("training kept no snapshots: runs.zfnet.snapshots is empty")
    return files


def run(subjects: Mapping[int, Subject], settings: Evolution, deconvnet: Deconvnet) -> dict[str, Any]:
    """Compare the network after some epochs, all on the same images; tables and arrays by the names of their files."""
    subject = next(iter(subjects.values()))
    with subject.batches() as batches:
        seen = watch({epoch: one.network for epoch, one in subjects.items()}, batches, subject.inputs)
    rows = compared(seen, settings)
    drawn = rows[rows["drawn"]].assign(rank=0)
    crops = subject.images(set(drawn["id"].tolist()))
    projected = [
        project(one.network, crops, drawn.query("epoch == @epoch"), one.inputs, deconvnet)
        for epoch, one in subjects.items()
    ]
    described, arrays = [], {}
    for layer in sorted(projected[0]):
        found = [of_epoch[layer] for of_epoch in projected]
        described += [one.rows for one in found]
        arrays[f"layer{layer}.npy"] = np.concatenate([one.projections for one in found], axis=1)
        arrays[f"layer{layer}_patches.npy"] = np.concatenate([one.patches for one in found], axis=1)
    table = rows.merge(pd.concat(described).drop(columns="rank"), how="left")
    table["class"] = [subject.classes[int(label)] if label >= 0 else None for label in table["label"].fillna(-1)]
    return {**arrays, "evolution.parquet": table, "settled.csv": settled(rows)}


@dataclass
class Watch:
    """A network's strongest image of each map so far, and the maxima on the first of the images."""

    network: ConvNet | Foreign
    best: dict[int, Tensor] = field(default_factory=dict)
    maxima: dict[int, list[Tensor]] = field(default_factory=dict)

    def add(self, images: Float[Tensor, "batch 3 y x"], ids: Int64[Tensor, "batch"]) -> None:
        """More images, all layers together; of equal activations the first image's counts."""
        for trace in self.network.trace(images, switches=False):
            value, place = trace.rectified.flatten(2).max(2)
            kept = self.maxima.setdefault(trace.layer, [])
            if sum(map(len, kept)) < SAMPLE:
                kept.append(value.cpu())
            top, row = value.max(0)
            found = torch.stack([top.double(), ids[row].double(), place.gather(0, row[None])[0].double()])
            old = self.best.setdefault(trace.layer, found)
            self.best[trace.layer] = torch.where(found[0] > old[0], found, old)

    def snapshot(self) -> dict[int, Snapshot]:
        """What was seen, layer by layer."""
        sizes = {conv.layer: conv.map_size for conv in self.network.architecture.convs}
        return {
            layer: Snapshot(
                table(found.cpu().numpy(), layer, sizes[layer]), torch.cat(self.maxima[layer]).numpy()[:SAMPLE]
            )
            for layer, found in self.best.items()
        }


@torch.inference_mode()
def watch(
    networks: Mapping[int, ConvNet | Foreign], batches: Batches, inputs: MeanSubtraction
) -> dict[int, dict[int, Snapshot]]:
    """One pass over the images, which are decoded once for all networks."""
    seen = {epoch: Watch(network) for epoch, network in networks.items()}
    epoch = tqdm(batches.epoch(), total=len(batches), desc="evolution", leave=False, disable=None)
    for batch, images in inputs.ahead(one for one in epoch):
        ids = batch.ids.to(inputs.device)
        for one in seen.values():
            one.add(images, ids)
    return {epoch: one.snapshot() for epoch, one in seen.items()}


def table(found: Float[np.ndarray, "3 map"], layer: int, width: int) -> pd.DataFrame:
    """A row for each map of a layer: activation, image and place in the rectified map."""
    place = found[2].astype(np.int64)
    columns = {"id": found[1].astype(np.int64), "activation": found[0], "y": place // width, "x": place % width}
    return pd.DataFrame({"layer": layer, "map": np.arange(len(place)), **columns})


def compared(seen: dict[int, dict[int, Snapshot]], settings: Evolution) -> pd.DataFrame:
    """A row for each layer, map and epoch: strongest image, `likeness` to the last epoch, whether it is drawn."""
    last = seen[max(seen)]
    parts = []
    for layer, final in last.items():
        count = final.maxima.shape[1]
        chosen = np.random.default_rng([settings.seed, layer]).permutation(count)[: settings.maps]
        for epoch, snapshot in seen.items():
            alike = likeness(snapshot[layer].maxima, final.maxima)
            drawn = np.isin(np.arange(count), chosen)
            parts.append(snapshot[layer].strongest.assign(epoch=epoch, likeness=alike, drawn=drawn))
    return pd.concat(parts, ignore_index=True)


def likeness(maxima: Float[np.ndarray, "image map"], final: Float[np.ndarray, "image map"]) -> Float[np.ndarray, "map"]:
    """Correlation of each map's maxima over the images with those it ends with; 0 where either never changes."""
    one, other = (values.astype(np.float64) - values.mean(0, dtype=np.float64) for values in (maxima, final))
    norms = np.sqrt((one**2).sum(0) * (other**2).sum(0))
    return np.divide((one * other).sum(0), norms, out=np.zeros_like(norms), where=norms > 0)


def settled(rows: pd.DataFrame, threshold: float = 0.9) -> pd.DataFrame:
    """For each layer and map the first epoch from which `likeness` stays at the threshold or above.

    The last snapshot is what the others are compared with, and is like itself whatever happened before. So a map that
    is not settled at the snapshot before the last has no epoch: it settled later than that or not at all. Nor has a map
    that is `dead`, which fires on no image of the sample at the last snapshot, or is the same on all.
    """
    wide = rows.pivot(index=["layer", "map"], columns="epoch", values="likeness")
    *before, last = wide.columns
    apart = wide[before].to_numpy() < threshold
    first = np.where(apart.any(1), apart.shape[1] - apart[:, ::-1].argmax(1), 0) if before else np.zeros(len(wide), int)
    epochs = np.append(np.array(before, np.float64), np.nan)  # the place after the last epoch that is apart
    return wide.index.to_frame(index=False).assign(epoch=epochs[first], dead=(wide[last] == 0).to_numpy())
