"""Compare captum's later attribution methods with occlusion and the deconvnet (not in the paper)."""

import warnings
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd
from captum.attr import GuidedBackprop, IntegratedGradients, LayerAttribution, LayerGradCam, Saliency
from jaxtyping import Float
from torch import Tensor, nn

from zfpipe.evaluation.predictions import Predictions
from zfpipe.network.convnet import ConvNet
from zfpipe.network.foreign import Foreign
from zfpipe.probes import hiding, occlusion, sample
from zfpipe.sections import Deconvnet, OcclusionProbe
from zfpipe.subject.subject import Subject
from zfpipe.unavailable import UnavailableError
from zfpipe.values import Section, whole

STEPS = 32
"""Steps of integrated gradients from the grey image to the image."""


class Settings(Section):
    """Number of images on which later methods are compared with occlusion and the deconvnet."""

    images: Annotated[int, whole(2, 10_000_000)]


def run(
    subject: Subject, predictions: Predictions, chosen: OcclusionProbe, settings: Settings, deconvnet: Deconvnet
) -> dict[str, Any]:
    """Score each method against some images' object masks, and draw it on Fig. 7's; return values by file name."""
    if isinstance(subject.network, Foreign):
        raise UnavailableError(
            "captum's methods need our own networks' modules, and this one is another library's (model.source)"
        )
    warnings.filterwarnings("ignore", "Setting .* hooks on ReLU")  # captum removes these hooks afterwards
    objects, shown = sample.to_hide(predictions, subject.truth, chosen)
    wanted = objects[: settings.images]
    crops = subject.images({*shown, *wanted})
    fill = subject.inputs.grey(chosen.grey)
    grid, fine = (hiding.Grid.scaled(chosen.size, step, subject.crop) for step in (chosen.stride, chosen.shown_stride))
    plan, closely = (hiding.planned(subject.network, one) for one in (grid, fine))
    ways = methods(subject.network, fill)
    rows, drawn = [], {}
    for image in dict.fromkeys([*shown, *wanted]):
        batch = crops.batch([image])
        pixels, label = subject.inputs(batch)[0], int(batch.labels[0])
        [hidden] = hiding.hide(subject.network, pixels[None], fill, [label], plan)
        seen = {"deconvnet": hiding.energy(subject.network, pixels, hidden, deconvnet)}
        seen |= {name: way(pixels, label) for name, way in ways.items()}
        if image in shown:
            [close] = hiding.hide(subject.network, pixels[None], fill, [label], closely)
            drawn[image] = {"drop": close.drop.reshape(len(fine.centres), -1), "maps": np.stack(list(seen.values()))}
        on = grid.on(subject.truth.mask(image))
        if image in wanted and on.any() and not on.all():
            places = {"occlusion": hidden.drop} | {name: grid.under(values) for name, values in seen.items()}
            rows += [{"id": image, "method": name, **occlusion.pointing(found, on)} for name, found in places.items()]
    pictures = crops.batch(shown)
    return {
        "scores.csv": scores(rows),
        "shown.safetensors": {
            "images": pictures.images.numpy(),
            "masks": np.stack([subject.truth.mask(image) for image in shown]).astype(np.uint8),
            **{name: np.stack([drawn[image][name] for image in shown]).astype(np.float32) for name in ("drop", "maps")},
        },
        "shown.json": {
            "classes": [subject.classes[label] for label in pictures.labels.tolist()],
            "methods": ["deconvnet", *ways],
        },
    }


def scores(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return `occlusion.scores` for each method, from a table with a row for each image and method."""
    images = pd.DataFrame(rows, columns=["id", "method", *occlusion.SCORES["hit"], *occlusion.SCORES["overlap"]])
    found = [occlusion.scores(part).assign(method=name) for name, part in images.groupby("method", sort=False)]
    return pd.concat(found) if found else occlusion.scores(images).assign(method="")


class Scale(nn.Module):
    """Multiply images by the network's input factor."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        """Return the images times the factor."""
        return images * self.factor


class Normalise(nn.Module):
    """Response normalisation of one layer of `network`."""

    def __init__(self, network: ConvNet, layer: int):
        super().__init__()
        self.network = (network,)  # inside a tuple, its weights are not registered as this module's
        self.layer = layer

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps normalised as in the network."""
        return self.network[0].normalise(self.layer, maps)


def modules(network: ConvNet) -> tuple[nn.Sequential, nn.ReLU]:
    """Return the network as modules, each used once as captum's hooks require, and the last layer's ReLU."""
    row: list[nn.Module] = [Scale(network.input_scale)]
    last = nn.ReLU()
    for conv in network.architecture.convs:
        last = nn.ReLU()
        row += [network.conv(conv.layer), last]
        normalise = [Normalise(network, conv.layer)] if conv.normed else []
        pool = [nn.MaxPool2d(conv.pool.size, conv.pool.stride, ceil_mode=conv.pool.ceil)] if conv.pool else []
        row += [*normalise, *pool] if network.norm.before_pool else [*pool, *normalise]
    row.append(nn.Flatten())
    for dense in network.architecture.denses:
        row.append(network.denses[str(dense.layer)])
        row += [nn.ReLU()] if dense.kind == "hidden" else []
    return nn.Sequential(*row).eval(), last


def methods(
    network: ConvNet, fill: Float[Tensor, "3 y x"]
) -> dict[str, Callable[[Tensor, int], Float[np.ndarray, "y x"]]]:
    """Return each method's function from an image `(3, y, x)` and a class to the pixels' relevance, 0 or more.

    Saliency (Simonyan et al. 2014) takes the largest absolute value over the colours. Guided backpropagation
    (Springenberg et al. 2015) and integrated gradients (Sundararajan et al. 2017, baseline `fill`) take the absolute
    sum. Grad-CAM (Selvaraju et al. 2017) uses the last convolution layer and is enlarged bilinearly.
    """
    row, last = modules(network)
    size = tuple(fill.shape[1:])
    saliency, guided, integrated = Saliency(row), GuidedBackprop(row), IntegratedGradients(row)
    grad_cam = LayerGradCam(row, last)

    def camera(image: Tensor, label: int) -> Tensor:
        found = grad_cam.attribute(image[None], label, relu_attributions=True)
        return LayerAttribution.interpolate(found, size, "bilinear")[0, 0]  # pyright: ignore

    def gradients_on_the_way(image: Tensor, label: int) -> Tensor:
        found = integrated.attribute(image[None], fill[None], label, n_steps=STEPS, internal_batch_size=STEPS)
        return found[0].abs().sum(0)  # pyright: ignore

    ways: dict[str, Callable[[Tensor, int], Tensor]] = {
        "saliency": lambda image, label: saliency.attribute(image[None], label, abs=True)[0].amax(0),
        "guided backpropagation": lambda image, label: guided.attribute(image[None], label)[0].abs().sum(0),
        "Grad-CAM": camera,
        "integrated gradients": gradients_on_the_way,
    }

    def plain(way: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, int], Float[np.ndarray, "y x"]]:
        return lambda image, label: way(image.clone().requires_grad_(), label).detach().double().cpu().numpy()

    return {name: plain(way) for name, way in ways.items()}
