"""Test that whole images on a device, here the processor, give the same input as crops that the loader cut."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.noise import COUNT, SIDE, Known
from tests.reading.test_reader import CROP, open_batches
from zfpipe.reading import mean
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.reading.reader import Batches
from zfpipe.training import resident
from zfpipe.training.resident import Resident

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CHOICES: list[dict[str, Any]] = [
    {"crops": "one of ten", "shuffle": True, "seed": 3},
    {"crops": "one of ten", "rows": np.arange(COUNT)[::-3], "part": (1, 2)},
    {"crops": "centre", "part": (2, 3), "rows": np.arange(10)},
    {"crops": "ten", "rows": np.array([5, 2, 7])},
    {"crops": "ten", "part": (2, 3), "rows": np.arange(10)},
]


@pytest.fixture(scope="module")
def inputs() -> MeanSubtraction:
    whole = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32) * 255
    return MeanSubtraction(torch.from_numpy(mean.mean_crops(whole, CROP)), CPU)


@pytest.mark.parametrize("choices", CHOICES)
@pytest.mark.parametrize("held", [False, True])
def test_whole_images_give_the_same_input(
    known: Known, inputs: MeanSubtraction, choices: dict[str, Any], held: bool
) -> None:
    """Every epoch is the same. Batches have 8 images, and the last batch may leave nothing for a process."""
    with open_batches(known, **choices) as plain, open_batches(known, **choices, cut=False) as uncut:
        found = Resident(known.beton, CPU, batch=8, crop=CROP, **choices) if held else uncut
        for epoch in (1, 2):
            for expected, batch in zip(plain.epoch(epoch), found.epoch(epoch), strict=True):
                assert batch.whole
                assert batch.images.shape[1:] == (SIDE, SIDE, 3)
                assert torch.equal(batch.ids, expected.ids)
                assert torch.equal(batch.labels, expected.labels)
                assert torch.equal(inputs(batch), inputs(expected))
        found.close()


def test_a_held_set_is_loaded_once(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    load = Resident.load
    monkeypatch.setattr(Resident, "load", lambda self: loads.append(1) or load(self))
    with Resident(known.beton, CPU, batch=8, crop=CROP, crops="centre") as batches:
        for epoch in range(3):
            assert sum(len(batch.ids) for batch in batches.epoch(epoch)) == COUNT
    assert len(loads) == 1
    with pytest.raises(RuntimeError, match="are closed"):
        next(batches.epoch())


def test_a_gpu_holds_what_fits_into_a_quarter_of_its_memory(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(device: torch.device, free: int, **more: Any) -> tuple[type[Batches], bool]:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**12))
        with resident.batches(known.beton, device, batch=8, crop=CROP, crops="centre", **more) as found:
            return type(found), found.cut

    most = 4 * COUNT * SIDE**2 * 3
    assert kind(CPU, most) == (Batches, True)
    assert kind(CUDA, most) == (Resident, False)
    assert kind(CUDA, most - 1) == (Batches, False)
    assert kind(CUDA, most - 1, rows=np.arange(COUNT - 1)) == (Resident, False)
