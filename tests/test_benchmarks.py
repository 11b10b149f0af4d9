"""Test the harness with a made-up clock, and that every case's check of equality passes, and can fail."""

import csv
import importlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import __main__ as every
from benchmarks import activations, deconvnet, harness, jpegs, loader, occlusion, preprocessing, query
from tests.conftest import CROP, SIZE
from tests.imports import ROOT
from tests.networks import random_images, small_network
from zfpipe.network.convnet import ConvNet, LayerTrace
from zfpipe.probes.activations import Maxima, maxima
from zfpipe.sections import Deconvnet, Norm


class Clock:
    """Stand still except when moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def way(self, things: float, seconds: list[float]) -> harness.Way:
        """Return a way whose rounds take these seconds."""
        rest: Iterator[float] = iter(seconds)

        def run() -> float:
            self.now += next(rest)
            return things

        return run


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "benchmarks.csv"
    monkeypatch.setenv(harness.FILE, str(path))
    return path


def test_ratios_are_medians_over_rounds_that_ways_take_in_turns(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(harness, "perf_counter", clock)
    ours, other = [99.0, 1.0, 2.0, 10.0], [99.0, 4.0, 4.0, 10.0]  # the first round is not measured
    ratios = harness.compare("case", "images", {"ours": clock.way(8, ours), "other": clock.way(4, other)}, rounds=3)
    # The rates are 8, 4, 0.8 and 1, 1, 0.4. The ratio of their medians would be 4.
    assert ratios == {"ours": 1.0, "other": statistics.median([8.0, 4.0, 2.0])}
    rows = list(csv.DictReader(table.open()))
    assert [row["way"] for row in rows] == ["ours", "other"]
    assert [float(rows[1][name]) for name in ("median", "lowest", "highest", "ours_over_this")] == [1, 0.4, 1, 4]
    assert float(rows[0]["median"]) == 4


def test_rows_have_every_column(table: Path) -> None:
    harness.keep("one, with a comma", "ours", "images/s", [1.0, 3.0], 2.5)
    harness.keep("two", "ours", "s", [1.0])
    first, *rows = list(csv.reader(table.open()))
    assert tuple(first) == harness.COLUMNS
    assert [len(row) for row in rows] == [len(harness.COLUMNS)] * 2
    assert rows[0][:7] == ["one, with a comma", "ours", "images/s", "2", "1", "3", "2.5"]
    assert rows[1][6:8] == ["", "1"]
    assert all(f"torch {torch.__version__}".split("+")[0] in row[-1] and " of " in row[-2] for row in rows)


def test_ways_that_differ_are_refused() -> None:
    harness.agree("case", [1.0, 100.0], [1.0, 100.001], relative=1e-4)
    with pytest.raises(AssertionError, match=r"case: 0\.1 apart, allowed 0\.01"):
        harness.agree("case", [1.0, 100.0], [1.0, 100.1], relative=1e-4)
    with pytest.raises(AssertionError, match="shapes"):
        harness.agree("case", [1.0], [1.0, 1.0])
    with pytest.raises(AssertionError):
        harness.agree("case", [float("nan")], [1.0], relative=1.0)


@pytest.mark.parametrize("case", every.CASES)
def test_every_case_has_a_main(case: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{case}").main)


def test_a_failed_case_fails_the_command(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    for name, body in (("drawing", "print('drawn')"), ("query", "raise SystemExit('query differs')")):
        (tmp_path / f"benchmarks/{name}.py").write_text(body)
    (tmp_path / "benchmarks/__main__.py").write_text((ROOT / "benchmarks/__main__.py").read_text())
    command = [sys.executable, "-m", "benchmarks", "query", "drawing"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "benchmarks: failed: query"
    assert "drawn" in done.stdout


def test_loader_compares_pixels(beton: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SIDE", SIZE), ("CROP", CROP), ("BATCH", 16)):
        monkeypatch.setattr(loader, name, value)
    loader.check(beton, 1)
    monkeypatch.setattr("zfpipe.reading.reader.CENTRE", 0)  # crops a corner
    with pytest.raises(AssertionError, match="loader, centre crops"):
        loader.check(beton, 1)


def test_preprocessing_compares_with_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    data = cv2.imencode(".jpg", cv2.GaussianBlur(pixels, (9, 9), 0))[1].tobytes()
    preprocessing.check([data])
    real = preprocessing.square
    monkeypatch.setattr(preprocessing, "square", lambda data, side: real(data, side)[::-1])
    with pytest.raises(AssertionError, match="preprocessing"):
        preprocessing.check([data])


@pytest.fixture
def plain_network() -> ConvNet:
    """Return a small network without normalisation."""
    network = small_network("zfnet")
    network.norm = Norm(size=5, k=1.0, alpha=0.0, beta=0.75)
    return network


def test_deconvnet_compares_projections(plain_network: ConvNet, monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(12)
    chosen = deconvnet.strongest(plain_network, images, 2)
    few = deconvnet.some(chosen[3], torch.arange(4))
    deconvnet.check(plain_network, images, few)
    monkeypatch.setattr(deconvnet, "SETTINGS", Deconvnet(unpooling="overwrite", norm="skip"))
    with pytest.raises(AssertionError, match="deconvnet, layer 3"):
        deconvnet.check(plain_network, images, few)


def test_the_strongest_of_every_other_map_are_those_found_among_all_maps(plain_network: ConvNet) -> None:
    images = random_images(12)
    whole, some = (deconvnet.strongest(plain_network, images, every)[2] for every in (1, 2))
    of_all = {(int(unit), int(row)) for unit, row in zip(whole[0].maps, whole[1], strict=True) if int(unit) % 2 == 0}
    assert of_all == {(int(unit), int(row)) for unit, row in zip(some[0].maps, some[1], strict=True)}


def test_occlusion_compares_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occlusion, "CROP", 112)
    network, fill = small_network("zfnet", crop=112), torch.full((3, 112, 112), 40.0)
    steps = {48: (8, 16)}
    ways = occlusion.all_ways(network, random_images(1, crop=112)[0], fill, steps)
    best = {name: 8 if name != "one by one" else 1 for name in ways}
    occlusion.check(ways, steps, 48, best)
    real = ways["differences"]
    with pytest.raises(AssertionError, match="occlusion, 48 pixels, differences"):
        occlusion.check({**ways, "differences": lambda *how: real(*how) * 1.001}, steps, 48, best)


def test_activations_compare_maxima(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = small_network("zfnet"), random_images(3)
    activations.check_maxima(network, images)

    def one_place_off(trace: LayerTrace) -> Maxima:
        found = maxima(trace)
        return replace(found, place=(found.place + 1) % found.width**2)

    monkeypatch.setattr(activations.activations, "maxima", one_place_off)
    with pytest.raises(AssertionError, match="activations, layer 1"):
        activations.check_maxima(network, images)


def test_activations_and_query_compare_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {1: (6, 110), query.LAYER: (9, 13)}
    monkeypatch.setattr(activations, "MAPS", maps)
    monkeypatch.setattr(query, "MAPS", maps)
    activations.streamed(600, tmp_path)
    activations.in_memory(600, tmp_path)
    activations.check_tables(tmp_path)
    query.as_they_come(600, tmp_path / "plain.parquet")
    ways = query.queries(tmp_path)
    query.check(ways, 5)
    with pytest.raises(AssertionError, match="query, other"):
        query.check({**ways, "other": lambda number: ways["ours"](number + 1)}, 5)
    table = pd.read_parquet(tmp_path / "val.parquet")
    table.assign(y=table["y"] + (table.index == 0)).to_parquet(tmp_path / "plain.parquet")
    with pytest.raises(AssertionError, match="activations, tables"):
        activations.check_tables(tmp_path)


def test_made_up_jpegs_are_jpegs(tmp_path: Path) -> None:
    [file] = jpegs.files(None, tmp_path, 1)
    picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (500, 500, 3)
    assert jpegs.files(tmp_path, tmp_path, 3) == [file] * 3
