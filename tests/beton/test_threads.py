"""Test loaders beside each other and beside torch: threads, compiled code, workers."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from numba import threading_layer  # pyright: ignore[reportPrivateImportUsage]
from numba.core.dispatcher import Dispatcher

from tests.imports import ROOT
from tests.noise import COUNT, Known, within
from tests.reading.test_reader import open_batches, together
from zfpipe.beton import guarded_ffcv
from zfpipe.beton.decoding import decode_images, decode_numbers, read_sample
from zfpipe.errors import UserError
from zfpipe.reading.reader import copy_crops
from zfpipe.workers import loader_threads, worker_count


def test_more_workers_than_cores_are_clamped(known: Known) -> None:
    cores = len(os.sched_getaffinity(0))
    assert worker_count(cores + 62) == cores
    with open_batches(known, workers=cores + 62) as batches:
        assert len(together(batches).ids) == COUNT


def test_workers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_WORKERS", "1")
    assert worker_count() == 1
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("ZFPIPE_WORKERS", wrong)
        with pytest.raises(UserError, match=f"ZFPIPE_WORKERS = {wrong}; must be a whole number from 1"):
            worker_count()


def test_a_network_on_the_cpu_keeps_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZFPIPE_WORKERS", raising=False)
    monkeypatch.delenv("ZFPIPE_DEVICE", raising=False)
    assert loader_threads() == 1
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    assert loader_threads() == worker_count()
    monkeypatch.setenv("ZFPIPE_DEVICE", "cpu")
    monkeypatch.setenv("ZFPIPE_WORKERS", "2")
    assert loader_threads() == worker_count(2)


def test_the_thread_count_of_torch_is_left_alone(known: Known) -> None:
    before = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            with open_batches(known, workers=2) as batches:
                together(batches)
                assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)


def test_importing_leaves_the_thread_count_of_torch_alone() -> None:
    code = "import torch; torch.set_num_threads(3); import zfpipe.reading.reader; print(torch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "3\n", done.stderr


def test_loading_takes_no_gpu(known: Known) -> None:
    """FFCV would use a GPU, wherever one is installed, in each process that loads."""
    words = [sys.executable, "-m", "tests.beton.no_gpu", str(known.beton)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{COUNT} 0\n", done.stderr


def test_two_loaders_run_at_once(known: Known) -> None:
    with open_batches(known, batch=4, workers=1) as one, open_batches(known, batch=4, seed=3, shuffle=True) as two:
        expected = together(one).images, together(two).images
        assert threading_layer() == "omp"  # checked before two loaders run, since another layer would end the process
        pairs = within(60, lambda: list(zip(one.epoch(), two.epoch(), strict=True)))
    for got, whole in zip(zip(*pairs, strict=True), expected, strict=True):
        assert torch.equal(torch.cat([batch.images for batch in got]), whole)


@pytest.mark.parametrize(
    "kernel", [read_sample, decode_images, decode_numbers, copy_crops], ids=lambda one: one.__name__
)
def test_compiled_code_is_kept_outside_the_package(known: Known, kernel: Any) -> None:
    with open_batches(known) as batches:
        together(batches)
    kept = Path(kernel.stats.cache_path)
    assert kept.is_relative_to(os.environ["NUMBA_CACHE_DIR"])
    assert not kept.is_relative_to(ROOT / "zfpipe")
    assert list(kept.glob(f"*{kernel.__name__}*.nbi"))


def test_kept_code_calls_only_kept_code_of_its_own_file() -> None:
    """numba compiles a kept function again if the function's file changes, not if the file of a called one does."""
    files = [path for path in (ROOT / "zfpipe").rglob("*.py") if "@numba.njit" in path.read_text()]
    modules = [importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in files]
    kernels = [value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)]
    assert {copy_crops, decode_images} <= set(kernels)
    for kernel in kernels:
        function = inspect.unwrap(kernel.py_func)  # without the type checker of the tests
        called = [function.__globals__.get(name) for name in function.__code__.co_names]
        for other in (one for one in called if isinstance(one, Dispatcher)):
            assert other.py_func.__module__ == function.__module__, f"{kernel.__name__} calls {other.__name__}"


def test_a_loader_compiles_nothing_of_ffcv(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_ffcv, "COMPILE", None)
    with open_batches(known) as batches:
        assert len(together(batches).images) == len(known.pixels)
