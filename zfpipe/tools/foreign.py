"""Check, for `zfpipe check`, a network that was not trained here: its layers, its input, its accuracy."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy import stats

from zfpipe.anynet.network import AnyNet
from zfpipe.errors import UserError
from zfpipe.foreign import imported
from zfpipe.index.images import image_bytes
from zfpipe.params import Params
from zfpipe.sections import Model
from zfpipe.tools.finding import Finding
from zfpipe.workers import worker_count
from zfpipe.writing.decode import decode_in_order

IMAGES = 100
"""Number of validation images on which the network is tested."""
SURE = 0.01
"""The number of right answers differs from chance if its probability under guessing is below this value."""


def network(settings: Params, classes: int, rows: pd.DataFrame) -> Iterator[Finding]:
    """Read the network of `model.source`; if it keeps its own softmax, test it on images of the index's `rows`."""
    model = settings.model
    said: list[str] = []
    try:
        found = imported.read(model, settings.crops.size, said.append)
    except UserError as error:
        yield Finding("model.source", "fails", str(error))
        return
    yield Finding("model.source", "ok", layers(found))
    yield from (Finding("model.source", "note", line) for line in said)
    if reason := found.refusal("skip"):
        yield Finding("model.source", "note", f"{reason}: no projections, no atlas")
    yield from scale(model)
    if not model.keeps_softmax or rows.empty:
        return
    own = found.architecture.denses[-1].units
    if own != classes:
        words = f"the network tells {own:,} classes, the pictures have {classes:,}; set model.softmax = new"
        yield Finding("model.softmax", "fails", words)
        return
    yield accuracy(settings, found, rows.query("split == 'val'"))


def layers(network: AnyNet) -> str:
    """Return in words the examined layers, the units above them, and the other layers that could be named."""
    looked_at = [
        f"{conv.layer}: {conv.name}, {conv.maps} maps of {conv.map_size}x{conv.map_size}"
        for conv in network.architecture.convs
    ]
    units = [f"{dense.layer}: {dense.units:,}" for dense in network.architecture.denses]
    others = len(network.tape.rectified) - len(looked_at)
    more = f"; {others} more rectified layers can be named in model.layers" if others > 0 else ""
    return f"layers {', '.join(looked_at)}; units above {', '.join(units)}{more}"


def scale(model: Model) -> Iterator[Finding]:
    """Warn if mean and spread look like the scale 0..1, while pixels are 0..255."""
    if max(*model.input_std, *model.input_mean) <= 1:
        words = "input_mean and input_std are for pixels of 0..1; here pixels are 0..255: multiply both by 255"
        yield Finding("model.input_mean", "note", words)


def accuracy(settings: Params, network: AnyNet, rows: pd.DataFrame) -> Finding:
    """Report the network's accuracy on a random sample of validation images; warn if it is no better than chance."""
    rows = rows.sample(min(IMAGES, len(rows)), random_state=0).sort_index()
    size, crop = settings.betons.resize, settings.crops.size
    edge = (size - crop) // 2
    decoded = decode_in_order(rows, partial(image_bytes, settings.pictures.base), size, worker_count(None))
    pairs = [(one, label) for one, label in zip(decoded, rows["label"], strict=True) if isinstance(one, np.ndarray)]
    if not pairs:
        return Finding("accuracy", "note", "no validation image can be read")
    pixels = torch.from_numpy(np.stack([one[edge : edge + crop, edge : edge + crop] for one, _ in pairs]))
    labels = torch.tensor([label for _, label in pairs])
    images = pixels.permute(0, 3, 1, 2).float() - torch.tensor(settings.model.input_mean)[:, None, None]
    with torch.inference_mode():
        said = torch.cat([network(batch).argmax(1) for batch in images.split(10)])
    right, count = int((said == labels).sum()), len(labels)
    chance = float(labels.bincount().max()) / count
    words = f"right on {right} of {count} validation images, centre crops; always the commonest class: {chance:.0%}"
    doubt = "do labels and network have the same order of classes (pictures.order), is the input's range right?"
    if stats.binom.cdf(right, count, chance) < SURE:
        return Finding("accuracy", "note", f"{words}; fewer than by chance: {doubt}")
    if stats.binom.sf(right - 1, count, chance) > SURE:
        return Finding("accuracy", "note", f"{words}; no more than by chance: {doubt}")
    return Finding("accuracy", "ok", words)
