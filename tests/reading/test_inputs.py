"""Test the network's inputs: pixels minus the mean of the same crop."""

import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import CROP
from zfpipe.reading import mean
from zfpipe.reading.inputs import MeanSubtraction, one_ahead
from zfpipe.reading.reader import Batch, Batches

RNG = np.random.default_rng(0)
WHOLE = RNG.random((12, 12, 3)).astype(np.float32) * 255


def subtraction() -> MeanSubtraction:
    return MeanSubtraction(torch.from_numpy(mean.mean_crops(WHOLE, 8)), torch.device("cpu"))


def test_each_crop_meets_the_same_crop_of_the_mean() -> None:
    images = torch.from_numpy(RNG.integers(0, 256, (2, 8, 8, 3), np.uint8))
    found = subtraction()(Batch(images, torch.zeros(2).long(), torch.arange(2), torch.tensor([3, 6])))
    expected = [WHOLE[4:, 4:], WHOLE[:8, 4:][:, ::-1]]
    for one, image, part in zip(found, images, expected, strict=True):
        np.testing.assert_allclose(one.permute(1, 2, 0).numpy(), image.numpy() - part, rtol=1e-6)


def test_grey_is_grey_before_the_mean_is_subtracted() -> None:
    grey = subtraction().grey(128.0)
    np.testing.assert_allclose(grey.permute(1, 2, 0).numpy() + WHOLE[2:10, 2:10], 128, rtol=1e-6)
    assert grey.std() > 10, "the mean must differ between places"


def test_a_constant_mean_replaces_the_mean_of_the_images(tmp_path: Path) -> None:
    inputs = MeanSubtraction.read(tmp_path / "none.npy", 8, torch.device("cpu"), (100.0, 50.0, 25.0))
    images = torch.full((1, 8, 8, 3), 120, dtype=torch.uint8)
    found = inputs(Batch(images, torch.zeros(1).long(), torch.zeros(1).long(), torch.tensor([9])))
    assert found[0, :, 3, 4].tolist() == [20.0, 70.0, 95.0]
    assert inputs.grey(110.0)[:, 0, 0].tolist() == [10.0, 60.0, 85.0]


def test_ahead_gives_every_batch_beside_its_images(beton: Path, inputs: MeanSubtraction) -> None:
    with Batches(beton, batch=16, crop=CROP, crops="one of ten", shuffle=True) as batches:
        expected = [(batch.ids, inputs(batch)) for batch in batches.epoch(2)]
        found = list(inputs.ahead(batches.epoch(2)))
    assert len(found) == len(expected)
    for (batch, images), (ids, plain) in zip(found, expected, strict=True):
        assert torch.equal(batch.ids, ids)
        assert torch.equal(images, plain)
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_one_ahead_keeps_the_order_and_makes_one_item_ahead() -> None:
    made = []

    def source() -> Generator[int, None, None]:
        for number in range(5):
            made.append((number, threading.current_thread() is threading.main_thread()))
            yield number

    for number in one_ahead(source()):
        assert len(made) >= number + 1
        assert len(made) <= number + 2, "more than one item waits"
    assert made == [(number, False) for number in range(5)]


def test_one_ahead_stops_its_source_and_hands_on_its_failure() -> None:
    closed = threading.Event()

    def source(failing: bool) -> Generator[int, None, None]:
        try:
            yield 0
            yield 1
            if failing:
                raise ValueError("broken")
            yield from range(2, 100)
        finally:
            closed.set()

    with closing(one_ahead(source(False))) as numbers:
        assert next(numbers) == 0
    assert closed.is_set()
    with pytest.raises(ValueError, match="broken"):
        list(one_ahead(source(True)))


def test_an_epoch_that_is_read_ahead_stops_when_left_early(beton: Path) -> None:
    """FFCV's thread ends with the loop, even if another thread reads from FFCV's thread."""
    with Batches(beton, batch=4, crop=CROP, crops="centre") as batches:
        with closing(one_ahead(batches.epoch())) as found:
            next(found)
            running = batches.running and batches.running()
            assert running is not None and running.is_alive()
        assert not running.is_alive()
