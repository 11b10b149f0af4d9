"""Test filter renormalisation against a loop."""

import math

import pytest
import torch

from zfpipe.training.renorm import renormalise


def test_renormalise_equals_a_loop() -> None:
    filters = torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    filters *= torch.tensor([0.01, 0.05, 0.1, 0.2, 1.0, 0.0])[:, None, None, None]
    expected = filters.clone()
    for one in expected:
        rms = math.sqrt(sum(value**2 for value in one.flatten().tolist()) / one.numel())
        if rms > 0.1:
            one *= 0.1 / rms
    small = filters[0].clone()
    other = filters[3:4].clone()
    renormalise([filters, other], 0.1)
    torch.testing.assert_close(filters, expected)
    assert torch.equal(other, filters[3:4]), "each layer must be renormalised alone"
    assert torch.equal(filters[0], small), "filters below the radius must not change"
    assert filters[4].square().mean().sqrt().item() == pytest.approx(0.1)
    assert not filters.isnan().any()
