"""Test ten-crop errors: top-k against sorting by hand, and the mean of the crops' softmax."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import CROP, SETTINGS, SIZE
from zfpipe.evaluation import ten_crop
from zfpipe.evaluation.predictions import Predictions, write
from zfpipe.network import weights
from zfpipe.network.convnet import initialise
from zfpipe.reading import mean
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches


def predictions(count: int = 40, classes: int = 7) -> Predictions:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(classes), count)
    return Predictions(np.arange(count), rng.integers(0, classes, count), probabilities)


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_top_error_equals_sorting_by_hand(k: int) -> None:
    found = predictions()
    wrong = 0
    for label, row in zip(found.labels, found.probabilities, strict=True):
        best = sorted(range(len(row)), key=lambda index: -row[index])[:k]
        wrong += label not in best
    assert found.top_error(k) == pytest.approx(wrong / len(found.labels))
    assert (found.top_error(7) == 0) and (found.top_error(1) > 0)


def test_a_tie_counts_as_an_error() -> None:
    even = Predictions(np.arange(2), np.array([0, 1]), np.full((2, 4), 0.25))
    assert even.top_error(1) == 1
    assert even.top_error(4) == 0


def test_probabilities_that_are_not_numbers_are_errors() -> None:
    """A network that has diverged is wrong on every image, even if the label alone has a number."""
    nowhere = Predictions(np.arange(2), np.array([0, 1]), np.full((2, 7), np.nan))
    assert nowhere.wrong(1).all() and nowhere.wrong(5).all()
    mixed = Predictions(np.arange(2), np.array([0, 1]), np.array([[0.9, np.nan, 0.05], [0.9, np.nan, 0.05]]))
    assert mixed.wrong(1).all()


def test_the_file_has_every_probability(tmp_path) -> None:
    found = predictions()
    write(found, tmp_path / "run.parquet")
    table = pq.read_table(tmp_path / "run.parquet")
    assert table.column_names == ["id", "label", "probabilities"]
    back = np.array(table["probabilities"].to_pylist(), np.float64)
    np.testing.assert_allclose(back, found.probabilities, atol=5e-4)
    assert table["id"].to_pylist() == found.ids.tolist()
    first = (tmp_path / "run.parquet").read_bytes()
    write(found, tmp_path / "run.parquet")
    assert (tmp_path / "run.parquet").read_bytes() == first


def test_errors_counted_on_the_way_equal_those_of_all_predictions(beton: Path, inputs: MeanSubtraction) -> None:
    network = weights.build(SETTINGS.model.model_copy(update={"width": 0.05}), CROP, 25)
    initialise(network, "he", 0.01, 0)
    with Batches(beton, batch=16, crop=CROP, crops="ten") as batches:
        found = ten_crop.predict(network, batches, inputs)
        assert found is not None and found.ids.tolist() == sorted(range(100))
        for k in (1, 5):
            assert ten_crop.top_error(network, batches, inputs, k) == found.top_error(k)
        assert 0 < found.top_error(5) < found.top_error(1)


def test_probabilities_are_the_mean_of_ten_softmaxes_by_hand(beton: Path) -> None:
    """Compute crop by crop, from whole images minus a mean that differs between the sides."""
    network = weights.build(SETTINGS.model.model_copy(update={"width": 0.05}), CROP, 25)
    initialise(network, "he", 0.1, 0)
    whole = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32) * 255
    inputs = MeanSubtraction(torch.from_numpy(mean.mean_crops(whole, CROP)), torch.device("cpu"))
    with Batches(beton, batch=16, crop=CROP, crops="ten", rows=np.arange(5)) as batches:
        found = ten_crop.predict(network, batches, inputs)
    with Batches(beton, batch=5, crop=SIZE, crops="centre", rows=np.arange(5)) as batches:
        (batch,) = batches.epoch()
    assert found is not None
    network.eval()
    far, middle = SIZE - CROP, (SIZE - CROP) // 2
    for image, pixels in zip(batch.ids.tolist(), batch.images.numpy(), strict=True):
        softmaxes = []
        for top, left in ((0, 0), (0, far), (far, 0), (far, far), (middle, middle)):
            crop = (pixels - whole)[top : top + CROP, left : left + CROP]
            for shown in (crop, crop[:, ::-1]):
                with torch.no_grad():
                    logits = network(torch.from_numpy(shown.copy()).permute(2, 0, 1)[None])
                softmaxes.append(logits.double().exp()[0] / logits.double().exp().sum())
        expected = torch.stack(softmaxes).mean(0)
        spread = torch.stack(softmaxes).std(0).max()
        assert spread > 1e-3, "the crops must differ"
        row = found.ids.tolist().index(image)
        np.testing.assert_allclose(found.probabilities[row], expected.numpy(), atol=1e-5)
