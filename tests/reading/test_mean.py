"""Test the per-pixel mean and its crops."""

from pathlib import Path

import numpy as np
import pytest

from tests.noise import COUNT, SIDE, Known
from tests.writing.plain import plain_crop
from zfpipe import store
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.errors import UserError
from zfpipe.reading import mean
from zfpipe.reading.crops import TEN
from zfpipe.reading.reader import Batches


def test_the_mean_of_a_beton_is_that_of_its_pictures(known: Known) -> None:
    total = mean.PixelSum()
    with Batches(known.beton, batch=7, crop=SIDE, crops="centre") as batches:
        for batch in batches.epoch():
            total.add(batch.images.numpy())
    assert total.images == COUNT
    got = total.mean()
    assert got.dtype == np.float32
    exact = np.sum(list(known.pixels.values()), axis=0, dtype=np.int64)
    np.testing.assert_array_equal(got, (exact / COUNT).astype(np.float32))


def test_batches_and_order_do_not_change_the_mean() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1001, 4, 4, 3), np.uint8)
    means = []
    for size, order in [(1001, 1), (7, 1), (64, -1)]:
        total = mean.PixelSum()
        for start in range(0, len(images), size):
            total.add(images[::order][start : start + size])
        means.append(total.mean())
    np.testing.assert_array_equal(means[0], means[1])
    np.testing.assert_array_equal(means[0], means[2])


def test_sums_do_not_overflow() -> None:
    total = mean.PixelSum()
    white = np.full((70_000, 1, 1, 3), 255, np.uint8)  # exceeds 16 and 24 bits; 32 bits would take minutes
    total.add(white)
    assert total.mean().tolist() == [[[255, 255, 255]]]


def test_the_mean_is_cut_and_flipped_as_the_images_are() -> None:
    whole = np.random.default_rng(0).normal(110, 20, (SIDE, SIDE, 3)).astype(np.float32)
    crops = mean.mean_crops(whole, 25)
    assert crops.dtype == np.float32
    assert crops.flags.c_contiguous
    np.testing.assert_array_equal(crops, [plain_crop(whole, 25, number) for number in range(TEN)])


def test_subtracting_before_or_after_the_crop_is_the_same(known: Known) -> None:
    """The paper subtracts the mean of the whole image before the crop."""
    total = mean.PixelSum()
    total.add(np.stack(list(known.pixels.values())))
    whole = total.mean()
    with Batches(known.beton, batch=COUNT, crop=25, crops="one of ten") as batches:
        (batch,) = batches.epoch(1)
    assert batch.crops is not None
    after = batch.images.numpy() - mean.mean_crops(whole, 25)[batch.crops.numpy()]
    before = [
        plain_crop(known.pixels[identity] - whole, 25, crop)
        for identity, crop in zip(batch.ids.tolist(), batch.crops.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(after, before)


def test_a_mean_is_read_back_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "data/mean.npy"
    first = np.random.default_rng(0).random((4, 4, 3), np.float32)
    store.save(path, first)
    np.testing.assert_array_equal(mean.read(path), first)
    path.chmod(0o444)  # DVC's links are read-only
    store.save(path, first + 1)
    np.testing.assert_array_equal(mean.read(path), first + 1)
    assert [file.name for file in path.parent.iterdir()] == ["mean.npy"]


@pytest.mark.parametrize("left", [0, 5, 100, 200])
def test_a_damaged_mean_is_refused_in_one_line(tmp_path: Path, left: int) -> None:
    path = tmp_path / "mean.npy"
    store.save(path, np.zeros((8, 8, 3), np.float32))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match=r"mean.npy is damaged \(.*; make it again: dvc repro -f mean$"):
        mean.read(path)


def test_the_crop_of_a_whole_image_is_the_image(known: Known) -> None:
    assert read_sidecar(known.beton).resize == SIDE
    whole = np.zeros((SIDE, SIDE, 3), np.float32)
    assert mean.mean_crops(whole, SIDE).shape == (TEN, SIDE, SIDE, 3)
