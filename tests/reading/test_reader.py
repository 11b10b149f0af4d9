"""Test batches of a beton: the same for any number of workers, complete, without hanging or leaking."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.noise import CLASSES, COUNT, SIDE, Known, make_folder, within
from tests.writing.plain import plain_crop, plain_crop_number
from zfpipe.beton.guarded_ffcv import IntDecoder, Loader, OrderOption, SimpleRGBImageDecoder, ToTensor
from zfpipe.errors import UserError
from zfpipe.reading.crops import CENTRE, TEN
from zfpipe.reading.epoch import GuardedEpoch
from zfpipe.reading.reader import Batch, Batches

CROP = 25  # an odd margin, so that the centre is rounded


def open_batches(known: Known, batch: int = 8, crops: Any = "one of ten", **more: Any) -> Batches:
    return Batches(known.beton, batch=batch, crop=CROP, crops=crops, **more)


@pytest.fixture(scope="module")
def shuffled(known: Known) -> Iterator[Batches]:
    """Share a loader between the tests that do not need their own."""
    with open_batches(known, batch=4, shuffle=True, seed=3, workers=2) as batches:
        yield batches


def together(batches: Batches, epoch: int = 0) -> Batch:
    """Return a whole epoch as one batch.

    All batches are held until the end, so that memory that is used again would change earlier batches.
    """
    held = within(60, lambda: list(batches.epoch(epoch)))
    assert len(held) == len(batches)
    crops = [batch.crops for batch in held if batch.crops is not None]
    return Batch(
        torch.cat([batch.images for batch in held]),
        torch.cat([batch.labels for batch in held]),
        torch.cat([batch.ids for batch in held]),
        torch.cat(crops) if crops else None,
    )


def assert_crops(got: Batch, known: Known, numbers: list[int]) -> None:
    """Fail unless every image is the plain twin's crop of the picture with its id, and has the picture's label."""
    for image, label, identity, number in zip(got.images, got.labels, got.ids, numbers, strict=True):
        np.testing.assert_array_equal(image, plain_crop(known.pixels[int(identity)], CROP, number))
        assert int(label) == known.labels[int(identity)]


# Batches, their order and their crops


@pytest.mark.parametrize(("workers", "batch"), [(1, 8), (2, 8), (2, 5), (2, 40), (1, 64)])
def test_batches_do_not_depend_on_workers_or_batch_size(
    known: Known, shuffled: Batches, workers: int, batch: int
) -> None:
    expected = together(shuffled, 2)
    with open_batches(known, batch=batch, shuffle=True, seed=3, workers=workers) as batches:
        sizes = [len(piece.ids) for piece in batches.epoch(2)]
        got = together(batches, 2)
    assert sizes == [batch] * (COUNT // batch) + [COUNT % batch]  # in batches of 40, the last batch has one image
    for name in ("images", "labels", "ids", "crops"):
        assert torch.equal(getattr(got, name), getattr(expected, name)), name


@pytest.mark.parametrize("mode", ["raw", "jpg"])
def test_images_labels_and_ids_are_those_of_ffcvs_own_decoders(tmp_path: Path, mode: str) -> None:
    beton = tmp_path / "train.beton"
    make_folder(tmp_path / "pictures").write(beton, write_mode=mode)
    loader = Loader(
        str(beton),
        batch_size=COUNT,
        num_workers=1,
        os_cache=True,
        order=OrderOption.SEQUENTIAL,
        pipelines={
            "image": [SimpleRGBImageDecoder(), ToTensor()],
            "label": [IntDecoder(), ToTensor()],
            "id": [IntDecoder(), ToTensor()],
        },
    )
    [(images, labels, ids)] = within(60, lambda: list(loader))
    with Batches(beton, batch=8, crop=SIDE, crops="centre") as batches:
        got = together(batches)
    assert torch.equal(got.images, images)
    assert torch.equal(got.labels, labels.squeeze(1)) and torch.equal(got.ids, ids.squeeze(1))


def test_an_epoch_shows_each_image_once_in_the_crop_of_the_plain_twin(known: Known, shuffled: Batches) -> None:
    in_order = together(open_batches(known)).ids.tolist()
    for epoch in (0, 1):
        got = together(shuffled, epoch)
        assert sorted(got.ids.tolist()) == sorted(known.pixels)
        numbers = [plain_crop_number(3, epoch, in_order.index(identity)) for identity in got.ids.tolist()]
        assert got.crops is not None
        assert got.crops.tolist() == numbers
        assert_crops(got, known, numbers)


def test_epochs_differ_in_order_and_crops_and_come_back(shuffled: Batches) -> None:
    first, second, again = together(shuffled, 0), together(shuffled, 1), together(shuffled, 0)
    assert first.ids.tolist() != second.ids.tolist()
    assert first.crops is not None
    assert second.crops is not None
    crop_of = dict(zip(first.ids.tolist(), first.crops.tolist(), strict=True))
    changed = [crop_of[i] != crop for i, crop in zip(second.ids.tolist(), second.crops.tolist(), strict=True)]
    assert sum(changed) > COUNT / 2
    assert torch.equal(first.images, again.images)


def test_seeds_differ(known: Known, shuffled: Batches) -> None:
    with open_batches(known, shuffle=True, seed=4) as batches:
        assert together(batches).ids.tolist() != together(shuffled).ids.tolist()


def test_ten_crops_and_the_centre_are_those_of_the_plain_twin(known: Known) -> None:
    with open_batches(known, crops="ten") as batches:
        ten = together(batches)
    assert ten.crops is None
    assert ten.images.shape == (COUNT, TEN, CROP, CROP, 3)
    with open_batches(known, crops="centre") as batches:
        centre = together(batches)
    assert_crops(centre, known, [CENTRE] * COUNT)
    for number in range(TEN):
        assert_crops(Batch(ten.images[:, number], ten.labels, ten.ids, None), known, [number] * COUNT)


def test_rows_choose_places_and_keep_their_crops(known: Known) -> None:
    rows = np.array([40, 0, 7])
    with open_batches(known, seed=3) as batches:
        whole = together(batches)
    with open_batches(known, seed=3, rows=rows) as batches:
        assert batches.images == 3
        got = together(batches)
    assert torch.equal(got.ids, whole.ids[rows])
    assert torch.equal(got.images, whole.images[rows])


@pytest.mark.parametrize("rows", [[COUNT], [-1], [3, 3]])
def test_rows_outside_the_beton_or_twice_are_refused(known: Known, rows: list[int]) -> None:
    with pytest.raises(ValueError, match="different places in a beton of 41"):
        open_batches(known, rows=np.array(rows))


def test_a_loader_knows_its_images_batches_and_classes(shuffled: Batches) -> None:
    assert (shuffled.images, len(shuffled), shuffled.classes) == (COUNT, 11, CLASSES)


def test_a_crop_larger_than_the_images_is_refused(known: Known) -> None:
    with pytest.raises(UserError, match=r"holds 32x32 images; crops.size = 33 is larger"):
        Batches(known.beton, batch=8, crop=SIDE + 1, crops="centre")


# Failures in the loading thread


@pytest.mark.parametrize("good", [0, 7])
def test_an_exception_in_the_thread_is_raised_where_batches_are_used(
    shuffled: Batches, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    calls: list[int] = []

    def broken(self: GuardedEpoch, number: int, *arguments: Any) -> Any:
        calls.append(number)
        if number == good:
            raise OSError("the disk is gone")
        return run_pipeline(self, number, *arguments)

    run_pipeline = GuardedEpoch.run_pipeline
    monkeypatch.setattr(GuardedEpoch, "run_pipeline", broken)
    seen: list[Batch] = []
    with pytest.raises(RuntimeError, match="loading thread failed") as raised:
        within(20, lambda: seen.extend(shuffled.epoch(0)))  # `extend` keeps the batches before the failure
    assert isinstance(raised.value.__cause__, OSError)
    assert calls == list(range(good + 1))
    monkeypatch.undo()
    assert len(together(shuffled).ids) == COUNT  # the loader can be used again


def test_images_other_than_asked_for_are_noticed(shuffled: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(self: GuardedEpoch, number: int, rows: np.ndarray, *arguments: Any) -> Any:
        return run_pipeline(self, number, np.roll(rows, 1), *arguments)

    run_pipeline = GuardedEpoch.run_pipeline
    monkeypatch.setattr(GuardedEpoch, "run_pipeline", swapped)
    with pytest.raises(RuntimeError, match="other images"):
        together(shuffled)


def test_images_left_out_are_noticed(shuffled: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    def shortened(self: GuardedEpoch, number: int, *arguments: Any) -> Any:
        if number == 2:
            raise StopIteration
        return run_pipeline(self, number, *arguments)

    run_pipeline = GuardedEpoch.run_pipeline
    monkeypatch.setattr(GuardedEpoch, "run_pipeline", shortened)
    with pytest.raises(RuntimeError, match="gave 8 of 41 images"):
        together(shuffled)


# Epochs that are left early


def leftovers() -> list[object]:
    """Return loading threads, and epochs with their buffers."""
    gc.collect()
    threads: list[object] = [thread for thread in threading.enumerate() if isinstance(thread, GuardedEpoch)]
    return threads + [thing for thing in gc.get_objects() if type(thing) is GuardedEpoch]


def leave_early(batches: Batches) -> None:
    for _ in range(3):
        for _ in batches.epoch(0):
            break


def leave_by_exception(batches: Batches) -> None:
    with pytest.raises(KeyError):
        for _ in batches.epoch(0):
            raise KeyError


def leave_at_the_end(batches: Batches) -> None:
    assert len(list(batches.epoch(0))) == len(batches)


@pytest.mark.parametrize("leave", [leave_early, leave_by_exception, leave_at_the_end])
def test_leaving_an_epoch_leaves_no_thread_and_no_buffers(shuffled: Batches, leave: Callable[[Batches], None]) -> None:
    within(20, lambda: leave(shuffled))
    assert leftovers() == []


def test_leaving_early_does_not_load_the_rest(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []

    def counted(self: GuardedEpoch, number: int, *arguments: Any) -> Any:
        loaded.append(number)
        return run_pipeline(self, number, *arguments)

    run_pipeline = GuardedEpoch.run_pipeline
    monkeypatch.setattr(GuardedEpoch, "run_pipeline", counted)
    with open_batches(known, batch=1) as batches:
        for _ in batches.epoch():
            time.sleep(0.3)  # until the queue is full
            break
        ahead = batches.loader.batches_ahead if batches.loader else 0
        assert len(loaded) <= 1 + ahead + 2


def test_starting_another_epoch_stops_the_first(shuffled: Batches) -> None:
    expected = together(shuffled, 1)
    first = shuffled.epoch(0)
    next(first)
    got = together(shuffled, 1)
    assert torch.equal(got.images, expected.images)  # crops are those of the second epoch
    with pytest.raises(RuntimeError, match="this epoch was stopped"):
        within(10, lambda: next(first))
    assert leftovers() == []


def test_closing_joins_an_epoch_that_runs_and_may_happen_twice(known: Known) -> None:
    batches = open_batches(known)
    running = batches.epoch()
    next(running)
    assert any(isinstance(thread, GuardedEpoch) for thread in threading.enumerate())
    within(10, batches.close)
    assert not any(isinstance(thread, GuardedEpoch) for thread in threading.enumerate())
    batches.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(batches.epoch())


def test_a_slow_consumer_gets_everything(shuffled: Batches) -> None:
    ids = []
    for batch in shuffled.epoch(0):
        time.sleep(0.02)
        ids += batch.ids.tolist()
    assert len(set(ids)) == COUNT
