"""What `harvest` keeps of each image against the network itself, and inner products against loops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.conftest import CROP, SETTINGS
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet, initialise
from zfpipe.probes import harvest, harvested
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches


@pytest.fixture(scope="module")
def network() -> ConvNet:
    network = weights.build(merged(SETTINGS.model, {"width": 0.05}), CROP, 25)
    initialise(network, "he", 0.01, 0)
    return network.eval()


@pytest.fixture
def features(
    network: ConvNet, beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """In pieces of 100 features, so that a layer has several and the last of them is short."""
    monkeypatch.setattr(harvest, "PIECE", 100)
    with Batches(beton, batch=32, crop=CROP, crops="centre") as batches:
        harvest.write(network, batches, inputs, tmp_path / "set.parquet")
    return tmp_path / "set.parquet"


def test_features_are_what_the_next_layer_sees(
    network: ConvNet, features: Path, beton: Path, inputs: MeanSubtraction
) -> None:
    with Batches(beton, batch=100, crop=CROP, crops="centre") as batches:
        (batch,) = batches.epoch()
    ids, labels = harvested.labels(features)
    assert ids.tolist() == batch.ids.tolist() and labels.tolist() == batch.labels.tolist()
    assert harvested.layers(features) == [1, 2, 3, 4, 5, 7]
    pixels = inputs(batch)
    with torch.inference_mode():
        logits = network(pixels)
        first = network.normalise(
            1,
            functional.max_pool2d(functional.relu(network.conv(1)(pixels * network.input_scale)), 3, 2, ceil_mode=True),
        )
    np.testing.assert_allclose(
        np.concatenate(list(harvested.pieces(features, 1)), 1), first.flatten(1), rtol=1e-5, atol=1e-5
    )
    last = torch.from_numpy(np.concatenate(list(harvested.pieces(features, 7)), 1))
    softmax = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.inference_mode():
        np.testing.assert_allclose(softmax(last), logits, rtol=1e-4, atol=1e-4)
        fifth = torch.from_numpy(np.concatenate(list(harvested.pieces(features, 5)), 1))
        maps = {conv.layer: conv.maps for conv in network.architecture.convs}[5]
        side = round((fifth.shape[1] / maps) ** 0.5)
        np.testing.assert_allclose(
            network.classify(fifth.unflatten(1, (maps, side, side))), logits, rtol=1e-4, atol=1e-4
        )


def test_inner_products_are_those_of_whole_layers(features: Path) -> None:
    for layer in (1, 7):
        pieces = list(harvested.pieces(features, layer))
        whole = np.concatenate(pieces, 1).astype(np.float64)
        assert layer == 7 or len(pieces) > 2
        slow = [[float(np.sum(one * other)) for other in whole[:5]] for one in whole[:5]]
        found = harvested.gram(features, layer)
        assert found.shape == (100, 100)
        np.testing.assert_allclose(found[:5, :5], slow, rtol=1e-9)


def test_the_file_is_the_same_bytes_each_time(
    network: ConvNet, features: Path, beton: Path, inputs: MeanSubtraction, tmp_path: Path
) -> None:
    with Batches(beton, batch=32, crop=CROP, crops="centre", workers=2) as batches:
        harvest.write(network, batches, inputs, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == features.read_bytes()
