"""What the network takes: pixels minus the mean of the same crop."""

import numpy as np
import torch

from zfpipe.betons import mean
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batch

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
    assert grey.std() > 10, "the mean differs by place"


def test_a_constant_mean_stands_in_for_the_images(tmp_path) -> None:
    inputs = MeanSubtraction.read(tmp_path / "none.npy", 8, torch.device("cpu"), (100.0, 50.0, 25.0))
    images = torch.full((1, 8, 8, 3), 120, dtype=torch.uint8)
    found = inputs(Batch(images, torch.zeros(1).long(), torch.zeros(1).long(), torch.tensor([9])))
    assert found[0, :, 3, 4].tolist() == [20.0, 70.0, 95.0]
    assert inputs.grey(110.0)[:, 0, 0].tolist() == [10.0, 60.0, 85.0]
