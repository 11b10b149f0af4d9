"""Test the features that `harvest` keeps against the network itself, and inner products against loops."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional

from tests.conftest import CROP, SETTINGS
from zfpipe.errors import UserError
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
    """Harvest in pieces of 100 features, so that a layer has several pieces and the last piece is short."""
    monkeypatch.setattr(harvest, "PIECE", 100)
    harvest.run(network, beton, inputs, tmp_path / "set.parquet", tmp_path / "aside")
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


def test_half_precision_is_refused_if_a_feature_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The features are on torch's `meta` device, as if on a GPU."""
    found = torch.empty((1, 2), device="meta")
    monkeypatch.setattr(torch.Tensor, "half", lambda _: torch.tensor([[1.0, 0.1]], dtype=torch.float16))
    assert harvest.kept(found, 1).dtype == np.float16
    monkeypatch.setattr(torch.Tensor, "half", lambda _: torch.tensor([[1.0, float("inf")]], dtype=torch.float16))
    monkeypatch.setattr(torch.Tensor, "abs", lambda _: torch.tensor([1e5]))
    with pytest.raises(UserError, match=r"layer 1 has features up to 1e.05; in half precision at most 65504"):
        harvest.kept(found, 1)


def test_inner_products_of_half_precision_are_near(features: Path, tmp_path: Path) -> None:
    table, columns = pq.read_table(features), {}
    for name in table.column_names:
        column = columns[name] = table[name].combine_chunks()
        if name.startswith("layer"):
            flat = pa.array(column.flatten().to_numpy().astype(np.float16))
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, column.type.list_size)
    pq.write_table(pa.table(columns), tmp_path / "half.parquet")
    for layer in (1, 7):
        found, whole = (harvested.gram(path, layer) for path in (tmp_path / "half.parquet", features))
        assert found.dtype == np.float64 and not np.array_equal(found, whole)
        np.testing.assert_allclose(found, whole, rtol=0, atol=1e-3 * whole.max())


def test_the_file_is_the_same_bytes_each_time(
    network: ConvNet,
    features: Path,
    beton: Path,
    inputs: MeanSubtraction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZFPIPE_WORKERS", "2")
    harvest.run(network, beton, inputs, tmp_path / "again.parquet", tmp_path / "aside")
    assert (tmp_path / "again.parquet").read_bytes() == features.read_bytes()
