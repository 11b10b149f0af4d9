"""How each feature map comes to what excites it, through training (Fig. 4, section 4)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.convnet.network import ConvNet
from zfpipe.params import Evolution

SAMPLE = 2000
"""On so many images, the first of the beton's random order, is a map compared with what it becomes."""


@dataclass(frozen=True)
class Snapshot:
    """One layer after one epoch: each map's strongest image, and its maxima on the sample `(image, map)`."""

    strongest: pd.DataFrame
    maxima: Float[np.ndarray, "image map"]


@torch.inference_mode()
def watch(network: ConvNet, batches: Batches, inputs: MeanSubtraction) -> dict[int, Snapshot]:
    """One pass over the images, all layers together; of equal activations the first image's counts."""
    best: dict[int, Tensor] = {}
    maxima: dict[int, list[Tensor]] = {}
    for batch in tqdm(batches.epoch(), total=len(batches), desc="evolution", leave=False, disable=None):
        ids = batch.ids.to(inputs.device)
        for trace in network.trace(inputs(batch), switches=False):
            value, place = trace.rectified.flatten(2).max(2)
            kept = maxima.setdefault(trace.layer, [])
            if sum(map(len, kept)) < SAMPLE:
                kept.append(value.cpu())
            top, row = value.max(0)
            found = torch.stack([top.double(), ids[row].double(), place.gather(0, row[None])[0].double()])
            old = best.setdefault(trace.layer, found)
            best[trace.layer] = torch.where(found[0] > old[0], found, old)
    sizes = {conv.layer: conv.map_size for conv in network.architecture.convs}
    return {
        layer: Snapshot(table(found.cpu().numpy(), layer, sizes[layer]), torch.cat(maxima[layer]).numpy()[:SAMPLE])
        for layer, found in best.items()
    }


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
    """For each layer and map the first epoch from which `likeness` stays at the threshold or above; none: missing."""
    wide = rows.pivot(index=["layer", "map"], columns="epoch", values="likeness")
    apart = wide.to_numpy() < threshold
    first = np.where(apart.any(1), apart.shape[1] - apart[:, ::-1].argmax(1), 0)  # after the last epoch that is apart
    epochs = np.append(wide.columns.to_numpy(np.float64), np.nan)
    return wide.index.to_frame(index=False).assign(epoch=epochs[first])
