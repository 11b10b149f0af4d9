"""Test sizes: at 224 as in the paper, and at any other input as torch computes them."""

import pytest
import torch
from torch.nn import functional

from tests.networks import KINDS, SETTINGS, small_network
from zfpipe.network.architecture import Architecture, Pool, architecture, merged


def sizes(architecture: Architecture) -> list[tuple[int, int]]:
    return [(conv.map_size, conv.size) for conv in architecture.convs]


def test_the_papers_network_at_224() -> None:
    built = architecture(merged(SETTINGS.model, {"width": 1.0}), 224, 1000)
    assert sizes(built) == [(110, 55), (26, 13), (13, 13), (13, 13), (13, 6)]
    assert [conv.maps for conv in built.convs] == [96, 256, 384, 384, 256]
    assert built.features == 9216
    assert [(dense.layer, dense.units) for dense in built.denses] == [(6, 4096), (7, 4096), (8, 1000)]
    assert [conv.layer for conv in built.convs if conv.normed] == [1, 2]


def test_alexnet_at_224() -> None:
    built = architecture(merged(SETTINGS.alexnet, {"width": 1.0}), 224, 1000)
    assert sizes(built) == [(55, 27), (27, 13), (13, 13), (13, 13), (13, 6)]
    assert built.features == 9216


def test_rows_of_table_3() -> None:
    built = architecture(merged(SETTINGS.alexnet, {"width": 1.0, "drop": [3, 4, 6, 7]}), 224, 1000)
    assert [conv.layer for conv in built.convs] == [1, 2, 5]
    assert [(conv.maps_in, conv.maps) for conv in built.convs] == [(3, 96), (96, 256), (256, 256)]
    assert [(dense.layer, dense.units_in) for dense in built.denses] == [(8, 9216)]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("crop", [121, 122, 124, 127, 128])
def test_arithmetic_equals_torch(kind: str, crop: int) -> None:
    network = small_network(kind, crop)
    with torch.no_grad():
        traces = list(network.trace(torch.zeros(1, 3, crop, crop)))
        logits = network(torch.zeros(1, 3, crop, crop))
    assert sizes(network.architecture) == [(trace.rectified.shape[-1], trace.output.shape[-1]) for trace in traces]
    assert logits.shape == (1, 5)


def test_pooling_sizes_equal_torch() -> None:
    for size in range(1, 60):
        for pool in (Pool(3, 2, ceil=True), Pool(2, 2, ceil=True), Pool(2, 2, ceil=False), Pool(3, 2, ceil=False)):
            maps = torch.zeros(1, 1, size, size)
            try:
                found = functional.max_pool2d(maps, pool.size, pool.stride, ceil_mode=pool.ceil).shape[-1]
            except RuntimeError:
                found = 0
            assert max(0, pool.pooled(size)) == found


def test_a_network_that_shrinks_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layer 2's maps shrink to nothing: a 5x5 filter on 3x3 maps"):
        architecture(SETTINGS.model, 16, 10)
    with pytest.raises(ValueError, match=r"layer 1's maps shrink to 1x1, too small for the 3x3 pooling"):
        architecture(SETTINGS.alexnet, 8, 10)
