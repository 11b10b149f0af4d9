"""Test moved, enlarged and turned images: the exact pixels, the distances, the tables."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import FEW
from tests.networks import SETTINGS, small_network
from zfpipe.evaluation.predictions import Predictions
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.probes import invariance
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batch
from zfpipe.subject.subject import Subject

SIDE, CROP = 141, 121
CHOSEN = SETTINGS.invariance.model_copy(update={"translation": 30, "translation_step": 15, "rotation_step": 120})


def picture(seed: int = 0, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def plain(image: np.ndarray, kind: str, amount: float, crop: int) -> np.ndarray:
    """Compute each pixel of the crop alone, from its source in the image: bilinear, mirrored at the border."""
    side = len(image)
    centre, half = (side - crop) // 2 + (crop - 1) / 2, (crop - 1) / 2
    found = np.zeros((crop, crop, 3))
    for y in range(crop):
        for x in range(crop):
            right, down = x - half, y - half
            if kind == "translation":
                down -= amount
            elif kind == "scale":
                right, down = right / amount, down / amount
            else:  # the source of a pixel that was turned counterclockwise lies clockwise, as y points down
                angle = math.radians(amount)
                right, down = (
                    right * math.cos(angle) - down * math.sin(angle),
                    right * math.sin(angle) + down * math.cos(angle),
                )
            sx, sy = centre + right, centre + down
            for iy in (math.floor(sy), math.floor(sy) + 1):
                for ix in (math.floor(sx), math.floor(sx) + 1):
                    weight = (1 - abs(sy - iy)) * (1 - abs(sx - ix))
                    found[y, x] += weight * image[mirrored(iy, side), mirrored(ix, side)]
    return found


def mirrored(place: int, side: int) -> int:
    while not 0 <= place < side:
        place = -place if place < 0 else 2 * (side - 1) - place
    return place


@pytest.mark.parametrize(
    ("kind", "amount"),
    [("translation", 7.0), ("translation", -14.0), ("scale", 1.35), ("rotation", 10.0), ("rotation", 200.0)],
)
def test_transformations_equal_the_slow_twin(kind: str, amount: float) -> None:
    # Blocks are smooth enough for OpenCV's steps of 1/32 pixel.
    image = np.kron(picture(side=8), np.ones((4, 4, 1), np.uint8))[:31, :31]
    found = invariance.transformed(image, kind, amount, 21, "reflect").astype(float)
    np.testing.assert_allclose(found, plain(image, kind, amount, 21), atol=10)
    assert np.abs(found - plain(image, kind, amount, 21)).mean() < 2


def test_the_identity_keeps_every_pixel() -> None:
    image = picture()
    crop = image[10 : 10 + CROP, 10 : 10 + CROP]
    for kind, amount in (("translation", 0.0), ("scale", 1.0), ("rotation", 0.0)):
        for border in ("reflect", "replicate"):
            assert np.array_equal(invariance.transformed(image, kind, amount, CROP, border), crop)


def test_translation_goes_down_and_rotation_counterclockwise() -> None:
    image = picture()
    crop = image[10 : 10 + CROP, 10 : 10 + CROP]
    down = invariance.transformed(image, "translation", 10.0, CROP, "reflect")
    assert np.array_equal(down, image[:CROP, 10 : 10 + CROP]), "pixels from above the crop must come from the image"
    turned = invariance.transformed(image, "rotation", 90.0, CROP, "reflect")
    assert np.array_equal(turned, np.rot90(crop)), "a rotation must be counterclockwise"
    far = invariance.transformed(image, "translation", 13.0, CROP, "replicate")
    assert (far[:3] == image[0, 10 : 10 + CROP]).all()


def test_every_kind_has_the_amount_that_changes_nothing() -> None:
    found = invariance.amounts(SETTINGS.invariance, 224)
    assert found["translation"][0] == -60 and found["translation"][-1] == 60 and 0 in found["translation"]
    assert found["scale"][0] == 1 and found["scale"][-1] == 1.8
    assert found["rotation"][0] == 0 and found["rotation"][-1] == 350
    small = invariance.amounts(SETTINGS.invariance, 128)["translation"]
    assert max(small) == 34 and small == [-amount for amount in reversed(small)]


@pytest.fixture(scope="module")
def measured() -> tuple[ConvNet, np.ndarray, MeanSubtraction, pd.DataFrame]:
    network = small_network("zfnet")
    network.input_scale = 1 / 64  # keeps probabilities away from zero and one
    inputs = MeanSubtraction(torch.full((10, CROP, CROP, 3), 120.0), torch.device("cpu"))
    images = np.stack([picture(1), picture(2)])
    return network, images, inputs, invariance.measure(network, images, [3, 1], [40, 50], inputs, CHOSEN)


def test_distances_equal_those_of_single_passes(
    measured: tuple[ConvNet, np.ndarray, MeanSubtraction, pd.DataFrame],
) -> None:
    network, images, inputs, table = measured
    assert set(table["layer"]) == {1, 7}
    assert len(table) == 2 * 2 * sum(len(several) for several in invariance.amounts(CHOSEN, CROP).values())

    rows = {(row["id"], row["transform"], row["amount"], row["layer"]): row for row in table.to_dict("records")}

    def single(image: np.ndarray, kind: str, amount: float) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        pixels = torch.from_numpy(invariance.transformed(image, kind, amount, CROP, "reflect"))[None]
        four = torch.tensor([4])
        batch = inputs(Batch(pixels, four, four, four))
        with torch.no_grad():
            first, *_, last = network.trace(batch)
            seventh = dict(network.dense(last.output))[7]
            return {1: first.output.flatten(), 7: seventh.flatten()}, network(batch).softmax(1)[0]

    for place, (image, label) in enumerate(((40, 3), (50, 1))):
        original, _ = single(images[place], "translation", 0.0)
        other, _ = single(images[1 - place], "translation", 0.0)
        for kind, amount in (("translation", 16.0), ("scale", 1.4), ("rotation", 240.0)):
            features, probabilities = single(images[place], kind, amount)
            for layer in (1, 7):
                row = rows[image, kind, amount, layer]
                distance = float((features[layer] - original[layer]).norm())
                between = float((other[layer] - original[layer]).norm())
                assert row["distance"] == pytest.approx(distance, rel=1e-4)
                assert row["relative"] == pytest.approx(distance / between, rel=1e-4)
                assert row["p_true"] == pytest.approx(float(probabilities[label]), rel=1e-4)


def test_the_identity_has_distance_zero(measured: tuple[ConvNet, np.ndarray, MeanSubtraction, pd.DataFrame]) -> None:
    table = measured[3]
    unchanged = [
        amount == (1.0 if kind == "scale" else 0.0)
        for kind, amount in zip(table["transform"], table["amount"], strict=True)
    ]
    distances = table["distance"].to_numpy()
    assert sum(unchanged) == 2 * 2 * 3 and not distances[unchanged].any()
    assert (distances[np.logical_not(unchanged)] > 0).all()


def test_an_untrained_network_is_its_own_null(beton: Path, inputs: MeanSubtraction) -> None:
    network = weights.build(merged(SETTINGS.model, {"width": 0.03}), 64, FEW)
    initialise(network, "he", 0.01, 1)
    subject = Subject(network, inputs, beton, beton.with_name("index.parquet"), 64, 72, SETTINGS.model.init, 0)
    ids, labels = np.arange(100), np.arange(100) % FEW
    predictions = Predictions(ids, labels, np.eye(FEW, dtype=np.float32)[labels])
    settings = CHOSEN.model_copy(update={"images": 3, "shown": 1})
    found = invariance.run(subject.untrained, predictions, settings)
    pd.testing.assert_frame_equal(found["untrained.parquet"], found["invariance.parquet"])
    found = invariance.run(subject, predictions, settings)
    same = ["id", "transform", "amount", "layer"]
    pd.testing.assert_frame_equal(found["untrained.parquet"][same], found["invariance.parquet"][same])
    assert not np.allclose(found["untrained.parquet"]["relative"], found["invariance.parquet"]["relative"])


def test_summary_has_the_quartiles() -> None:
    rows = [{"transform": "scale", "amount": 1.0, "layer": 1, "relative": value, "p_true": 1 - value}
            for value in (0.0, 0.1, 0.2, 0.3, 0.4)]  # fmt: skip
    (row,) = invariance.summary(pd.DataFrame(rows)).to_dict("records")
    assert (row["relative_low"], row["relative_median"], row["relative_high"]) == pytest.approx((0.1, 0.2, 0.3))
    assert row["p_true_median"] == pytest.approx(0.8)


def test_a_network_without_hidden_layers_has_layer_1_alone() -> None:
    found, probabilities = invariance.features(small_network("no 3, 4, 6, 7"), torch.randn(2, 3, 121, 121))
    assert set(found) == {1} and probabilities.sum().item() == pytest.approx(2)
