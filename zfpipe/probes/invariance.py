"""Measure how features and output change when images move, grow and turn (Fig. 5, section 4)."""

from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zfpipe.evaluation.predictions import Predictions
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.probes import sample
from zfpipe.reading.crops import CENTRE, PAPER_CROP
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch
from zfpipe.sections import Invariance
from zfpipe.subject.subject import Subject

BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE}


def run(subject: Subject, predictions: Predictions, settings: Invariance) -> dict[str, Any]:
    """Transform a random sample of images; return tables and the pictures to show, by file name."""
    order = sample.shuffled(predictions, settings.seed)
    shown = sample.recognised(predictions, order, settings.shown)
    wanted = list(dict.fromkeys([*shown, *order]))[: max(settings.images, len(shown))]
    whole = subject.images(wanted, crop=subject.resize)
    places = [whole.position[image] for image in wanted]
    images, labels = whole.images[places].numpy(), whole.labels[places].tolist()
    table, untrained = (
        measure(network, images, labels, wanted, subject.inputs, settings)
        for network in (subject.network, subject.untrained.network)
    )
    moved = [
        [
            [transformed(image, kind, amount, subject.crop, settings.border) for amount in examples(several)]
            for kind, several in amounts(settings, subject.crop).items()
        ]
        for image in images[: len(shown)]
    ]
    names = pd.DataFrame({"id": shown, "class": [subject.classes[label] for label in labels[: len(shown)]]})
    return {
        "invariance.parquet": table,
        "untrained.parquet": untrained,
        "summary.csv": summary(table),
        "shown.csv": names,
        "shown.npy": np.array(moved, np.uint8),
    }


def amounts(settings: Invariance, crop: int) -> dict[str, list[float]]:
    """Return each transformation's amounts: whole pixels of the crop, factors, degrees; each includes "no change"."""
    step = max(1, round(settings.translation_step * crop / PAPER_CROP))
    steps = round(settings.translation * crop / PAPER_CROP) // step
    scales = round((settings.scale - 1) / settings.scale_step)
    return {
        "translation": [float(step * place) for place in range(-steps, steps + 1)],
        "scale": [round(1 + settings.scale_step * place, 6) for place in range(scales + 1)],
        "rotation": [float(angle) for angle in range(0, settings.rotation + 1, settings.rotation_step)],
    }


def examples(several: list[float]) -> list[float]:
    """Return three amounts to show: the first, and those at a third and at two thirds of the list."""
    return [several[round(place)] for place in np.linspace(0, len(several) - 1, 4)[:3]]


def transformed(
    image: UInt8[np.ndarray, "side side 3"], kind: str, amount: float, crop: int, border: str
) -> UInt8[np.ndarray, "crop crop 3"]:
    """Return the centre crop of an image moved down (pixels), enlarged (factor) or turned counterclockwise (degrees).

    The whole image is transformed before it is cropped, so that pixels around the crop can move in. Beyond the image
    the border rule fills. Interpolation is bilinear. With no change the crop's pixels are returned exactly.
    """
    middle, half = (len(image) - crop) // 2 + (crop - 1) / 2, (crop - 1) / 2
    scale = amount if kind == "scale" else 1.0
    angle = np.deg2rad(amount) if kind == "rotation" else 0.0
    down = amount if kind == "translation" else 0.0
    # The source place of each pixel is the inverse: turned back around the centre, shrunk, moved up
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    start = np.array([middle, middle - down]) - turn @ (half, half)
    return cv2.warpAffine(
        image,
        np.column_stack([turn, start]),
        (crop, crop),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=BORDERS[border],
    )


@torch.inference_mode()
def features(
    network: ConvNet | Foreign, images: Float[Tensor, "batch 3 y x"]
) -> tuple[dict[int, Float[Tensor, "batch value"]], Float[Tensor, "batch class"]]:
    """Return the flat outputs of layer 1 and of the highest hidden layer, and the classes' probabilities."""
    shown = (1, network.architecture.top_hidden)
    found, logits = {}, images
    for layer, values in network.features(images):
        logits = values
        if layer in shown:
            found[layer] = values.flatten(1)
    return found, logits.softmax(1)


def measure(
    network: ConvNet | Foreign,
    images: UInt8[np.ndarray, "image side side 3"],
    labels: list[int],
    ids: list[int],
    inputs: MeanSubtraction,
    settings: Invariance,
) -> pd.DataFrame:
    """Return the features' distance and the true class's probability by image, transformation, amount and layer.

    `distance` is Euclidean, from the features of the untransformed image. `relative` is the distance divided by the
    median distance between two different untransformed images of the set, so that layers can be compared.
    """
    crop = network.architecture.crop
    steps = [(kind, amount) for kind, several in amounts(settings, crop).items() for amount in several]
    parts, originals = [], []
    for image, label, number in zip(images, labels, ids, strict=True):
        plain = transformed(image, "translation", 0.0, crop, settings.border)
        batch = [plain] + [transformed(image, kind, amount, crop, settings.border) for kind, amount in steps]
        # "No change" uses the image's own features: in another row of a batch, rounding may differ
        rows = [0 if np.array_equal(one, plain) else row for row, one in enumerate(batch)][1:]
        centre = torch.full((len(batch),), CENTRE)
        found, probabilities = features(
            network, inputs(Batch(torch.from_numpy(np.stack(batch)), centre, centre, centre))
        )
        originals.append({layer: values[0].cpu() for layer, values in found.items()})
        p_true = probabilities[rows, label].double().cpu().numpy()
        for layer, values in found.items():
            distance = (values[rows] - values[0]).double().norm(dim=1).cpu().numpy()
            table = pd.DataFrame(steps, columns=["transform", "amount"])
            parts.append(table.assign(id=number, layer=layer, distance=distance, p_true=p_true))
    table = pd.concat(parts, ignore_index=True)
    for layer in originals[0]:
        typical = typical_distance(torch.stack([one[layer] for one in originals]))
        table.loc[table["layer"] == layer, "relative"] = table["distance"] / typical
    return table.filter(["id", "transform", "amount", "layer", "distance", "relative", "p_true"])


def typical_distance(features: Float[Tensor, "image value"]) -> float:
    """Return the median Euclidean distance between two feature vectors, or 1 if there is only one vector."""
    if len(features) < 2:
        return 1.0
    pairs = torch.pdist(features.float()).double()
    return float(pairs.quantile(0.5)) if len(pairs) < 2**23 else float(pairs.median())


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return median and quartiles of `relative` and `p_true` over images, by transformation, amount and layer."""
    groups = table.groupby(["transform", "amount", "layer"])
    shares = {"low": 0.25, "median": 0.5, "high": 0.75}
    columns = {
        f"{name}_{end}": groups[name].quantile(share)
        for name in ("relative", "p_true")
        for end, share in shares.items()
    }
    return pd.DataFrame(columns).reset_index()
