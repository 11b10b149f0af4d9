"""Follow through training which image excites each feature map most (Fig. 4, section 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.probes.projections import project
from zfpipe.processes import distributed
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.sections import Deconvnet, Evolution
from zfpipe.subject.subject import BATCH, Subject
from zfpipe.unavailable import UnavailableError

SAMPLE = 2000
"""Number of images on which a map is compared with its final state: the first of the beton's random order."""


@dataclass(frozen=True)
class Snapshot:
    """One layer after one epoch: each map's strongest image, and its maxima on the sampled images `(image, map)`."""

    strongest: pd.DataFrame
    maxima: Float[np.ndarray, "image map"]


def snapshots(folder: Path, elsewhere: bool) -> dict[int, Path]:
    """Return the weight files in a folder by the epoch after which they were saved.

    Raise UnavailableError if there are none. `elsewhere` says that the network was not trained here.
    """
    files = {int(path.stem): path for path in sorted(folder.glob("*.safetensors"))}
    if elsewhere:
        raise UnavailableError("its layers were trained elsewhere (model.source), so there are no snapshots of them")
    if not files:
        raise UnavailableError("training kept no snapshots: runs.zfnet.snapshots is empty")
    return files


def run(subjects: Mapping[int, Subject], settings: Evolution, deconvnet: Deconvnet) -> dict[str, Any]:
    """Compare the network after several epochs on the same images; return tables and arrays by file name.

    Processes share the images. Only the first process returns values.
    """
    subject = next(iter(subjects.values()))
    with subject.batches(distributed.dealt(subject.rows, BATCH)) as batches:
        watches = watch({epoch: one.network for epoch, one in subjects.items()}, batches, subject.inputs)
    parts = distributed.gathered({epoch: one.seen() for epoch, one in watches.items()})
    if not parts:
        return {}
    rows = compared({epoch: together([part[epoch] for part in parts]) for epoch in subjects}, settings)
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
    """The strongest image of each map so far, and the maxima on the sampled images.

    Images are known by their row in the beton, so that the parts of several processes can be joined. `best` holds
    activation, row, id and place in the map.
    """

    network: ConvNet | Foreign
    best: dict[int, Tensor] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    maxima: dict[int, list[Tensor]] = field(default_factory=dict)

    def add(
        self, images: Float[Tensor, "batch 3 y x"], ids: Int64[Tensor, "batch"], rows: Int64[np.ndarray, "batch"]
    ) -> None:
        """Add a batch of images for all layers; of equal activations the first image's counts."""
        sampled = int((rows < SAMPLE).sum())
        self.rows += rows[:sampled].tolist()
        places = torch.stack([torch.from_numpy(rows).to(ids.device), ids]).double()
        for trace in self.network.trace(images, switches=False):
            value, place = trace.rectified.flatten(2).max(2)
            if sampled:
                self.maxima.setdefault(trace.layer, []).append(value[:sampled].cpu())
            top, image = value.max(0)
            where = place.gather(0, image[None]).double()
            found = torch.cat([top.double()[None], places[:, image], where])
            old = self.best.setdefault(trace.layer, found)
            self.best[trace.layer] = torch.where(found[0] > old[0], found, old)

    def seen(self) -> "Seen":
        """Return the results in main memory."""
        maxima = {layer: torch.cat(found).numpy() for layer, found in self.maxima.items()}
        best = {layer: found.cpu().numpy() for layer, found in self.best.items()}
        widths = {conv.layer: conv.map_size for conv in self.network.architecture.convs}
        return Seen(widths, best, self.rows, maxima)


@dataclass(frozen=True)
class Seen:
    """The results of a `Watch` on some images, and the width of each layer's maps."""

    widths: dict[int, int]
    best: dict[int, Float[np.ndarray, "4 map"]]
    rows: list[int]
    maxima: dict[int, Float[np.ndarray, "sampled map"]]


@torch.inference_mode()
def watch(networks: Mapping[int, ConvNet | Foreign], batches: Batches, inputs: MeanSubtraction) -> dict[int, Watch]:
    """Pass over the images once, and decode each image once for all networks."""
    seen = {epoch: Watch(network) for epoch, network in networks.items()}
    start = 0
    for batch, images in inputs.ahead(distributed.epoch(batches, 0, "evolution")):
        ids, rows = batch.ids.to(inputs.device), batches.rows[start : start + len(batch.ids)]
        start += len(rows)
        for one in seen.values():
            one.add(images, ids, rows)
    return seen


def together(parts: Sequence[Seen]) -> dict[int, Snapshot]:
    """Join the parts' results by layer; of equal activations the first image's counts."""
    parts = [part for part in parts if part.best]
    order = np.argsort([row for part in parts for row in part.rows])
    sampled = [part for part in parts if part.rows]
    found = {}
    for layer, width in parts[0].widths.items():
        best = np.stack([part.best[layer] for part in parts])
        first = np.where(best[:, 0] == best[:, 0].max(0), best[:, 1], np.inf).argmin(0)
        strongest = np.take_along_axis(best, first[None, None], 0)[0]
        maxima = np.concatenate([part.maxima[layer] for part in sampled])[order]
        found[layer] = Snapshot(table(strongest, layer, width), maxima)
    return found


def table(found: Float[np.ndarray, "4 map"], layer: int, width: int) -> pd.DataFrame:
    """Return a row for each map of a layer: activation, image and place in the rectified map."""
    place = found[3].astype(np.int64)
    columns = {"id": found[2].astype(np.int64), "activation": found[0], "y": place // width, "x": place % width}
    return pd.DataFrame({"layer": layer, "map": np.arange(len(place)), **columns})


def compared(seen: dict[int, dict[int, Snapshot]], settings: Evolution) -> pd.DataFrame:
    """Return a row for each layer, map and epoch: strongest image, `likeness` to the last epoch, and `drawn`."""
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
    """Correlate each map's maxima over the images with its final maxima; 0 where either is constant."""
    one, other = (values.astype(np.float64) - values.mean(0, dtype=np.float64) for values in (maxima, final))
    norms = np.sqrt((one**2).sum(0) * (other**2).sum(0))
    return np.divide((one * other).sum(0), norms, out=np.zeros_like(norms), where=norms > 0)


def settled(rows: pd.DataFrame, threshold: float = 0.9) -> pd.DataFrame:
    """Return for each layer and map the first epoch from which `likeness` stays at the threshold or above.

    The last snapshot is the reference and always equals itself. So a map that is not settled at the last snapshot but
    one has no epoch: it settled later or not at all. A `dead` map has no epoch either: at the last snapshot it fires on
    no sampled image, or responds to all of them equally.
    """
    wide = rows.pivot(index=["layer", "map"], columns="epoch", values="likeness")
    *before, last = wide.columns
    apart = wide[before].to_numpy() < threshold
    first = np.where(apart.any(1), apart.shape[1] - apart[:, ::-1].argmax(1), 0) if before else np.zeros(len(wide), int)
    epochs = np.append(np.array(before, np.float64), np.nan)  # NaN stands for "not settled"
    return wide.index.to_frame(index=False).assign(epoch=epochs[first], dead=(wide[last] == 0).to_numpy())
