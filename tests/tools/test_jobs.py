"""Test how many stages run side by side, and each stage's share of the machine."""

import os
from types import SimpleNamespace

import psutil
import pytest
import torch

from zfpipe.errors import UserError
from zfpipe.tools import jobs
from zfpipe.tools.jobs import JOB, SENT, Room, room

NETS = {"train@one", "train@two"}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ZFPIPE_", "OMP_", "CUDA_")):
            monkeypatch.delenv(name)
    machine(monkeypatch, 16)


def machine(monkeypatch: pytest.MonkeyPatch, cores: int, memory: int = 1000 * JOB) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))


def gpu(found: Room, name: str, running: dict[str, str | None]) -> tuple[str, str | None]:
    environment = found.environment(name, running, [])
    return environment["ZFPIPE_DEVICE"], environment.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [
        (1, 1000 * JOB, 1),
        (2, 1000 * JOB, 2),
        (3, 1000 * JOB, 2),
        (16, 1000 * JOB, 8),
        (16, 3 * JOB + 1, 3),
        (2, JOB - 1, 1),
    ],
)
def test_there_are_as_many_jobs_as_cores_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch, cores: int, memory: int, expected: int
) -> None:
    machine(monkeypatch, cores, memory)
    assert room("auto", NETS) == Room(expected, expected, expected, NETS)


def test_a_given_number_of_jobs_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room("3", NETS) == Room(3, 3, 3, NETS)
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert room("3", NETS) == Room(3, 2, 3, NETS, ("cuda:0", "cuda:1"))
    assert not room("3", NETS).fits("train@two", ["train@one", "figure@1", "figure@2"]), (
        "there must be at most three jobs"
    )
    assert room("1", NETS) == Room(1, 1, 1, NETS), "a single job may use all GPUs"


def test_gpus_limit_only_stages_that_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = room("auto", NETS)
    assert found == Room(10, 2, 8, NETS, ("cuda:0", "cuda:1"))
    assert not found.fits("train@one", ["train@two", "train@two"])
    assert found.fits("figure@1", ["train@one", "train@two", *["figure@2"] * 7])
    assert not found.fits("figure@1", ["figure@2"] * 8)
    assert found.device("train@two", {"train@one": "cuda:0", "figure@1": None}) == "cuda:1"
    assert gpu(found, "train@two", {"train@one": "cuda:0", "figure@1": None}) == ("cuda", "1")
    assert gpu(found, "train@two", {"train@one": "cuda:1"}) == ("cuda", "0")
    assert gpu(found, "figure@1", {}) == ("cuda", None)
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda:3")
    found = room("auto", NETS)
    assert found == Room(9, 1, 8, NETS, ("cuda:3",))
    assert gpu(found, "train@one", {}) == ("cuda", "3")


def test_each_job_sees_one_of_the_visible_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cuda:1` is the second GPU that CUDA_VISIBLE_DEVICES names, whatever the GPU's own number or name."""
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-8932f937")
    found = room("auto", NETS)
    assert gpu(found, "train@one", {}) == ("cuda", "5")
    assert gpu(found, "train@two", {"train@one": "cuda:0"}) == ("cuda", "GPU-8932f937")
    monkeypatch.setenv("ZFPIPE_PROCESSES", "2")
    assert gpu(room("auto", NETS), "train@one", {}) == ("cuda", "5, GPU-8932f937"), "two processes need both GPUs"


def test_a_stage_that_computes_can_have_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setenv("ZFPIPE_PROCESSES", "2")
    found = room("auto", NETS)
    assert found == Room(9, 1, 8, NETS, ("cuda",))
    assert "OMP_NUM_THREADS" not in found.environment("train@one", {}, []), (
        "each process must choose its own part of the cores"
    )
    with pytest.raises(UserError, match="--jobs 2 gives each stage one GPU, ZFPIPE_PROCESSES several"):
        room("2", NETS)
    assert room("1", NETS) == Room(1, 1, 1, NETS)


def test_no_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match="ZFPIPE_DEVICE = cuda; this machine has 0 CUDA devices; use cpu"):
        room("auto", NETS)


def test_a_cluster_takes_the_stages_that_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's GPUs and cores are not those of this machine."""
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setenv("ZFPIPE_LAUNCH", "env")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    found = room("auto", NETS)
    assert found == Room(SENT + 8, SENT, 8, NETS, sent=True)
    assert found.environment("train@one", {}, []) == dict(os.environ)
    local = found.environment("figure@1", dict.fromkeys(NETS), [])
    assert "ZFPIPE_LAUNCH" not in local
    assert local["ZFPIPE_WORKERS"] == "16"
    assert room("17", NETS) == Room(17, 17, 17, NETS, sent=True)


def test_each_stage_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    found = room("4", NETS)
    alone = found.environment("betons@train", {}, [])
    assert (alone["ZFPIPE_WORKERS"], alone["OMP_NUM_THREADS"]) == ("16", "4")
    assert found.environment("betons@train", {}, ["betons@val"])["ZFPIPE_WORKERS"] == "8"
    many = found.environment("betons@train", dict.fromkeys(NETS), ["figure@1", "figure@2", "figure@3"])
    assert (many["ZFPIPE_WORKERS"], many["OMP_NUM_THREADS"]) == ("4", "4")
    assert "ZFPIPE_WORKERS" not in found.environment("train@one", {}, []), "one loader thread is best on the CPU"
    monkeypatch.setenv("ZFPIPE_WORKERS", "5")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    given = found.environment("betons@train", {}, [])
    assert (given["ZFPIPE_WORKERS"], given["OMP_NUM_THREADS"]) == ("5", "7")
    machine(monkeypatch, 2)
    assert jobs.share(64) == 1


def test_gpus_share_the_cores_among_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = room("auto", NETS)
    both = found.environment("train@one", {}, ["train@two", "figure@1"])
    assert (both["ZFPIPE_WORKERS"], both["OMP_NUM_THREADS"]) == ("8", "8")
