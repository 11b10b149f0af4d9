"""Test betons: the same bytes for any number of workers, damaged images listed, no trace of a failed attempt."""

import io
import json
import threading
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ffcv.fields import IntField, RGBImageField
from ffcv.reader import Reader
from ffcv.writer import DatasetWriter
from PIL import Image

from tests.noise import CLASSES, COUNT, FIRST_ID, SIDE, Folder, make_folder, settings, within
from zfpipe.beton.sidecar import checksum, verify
from zfpipe.errors import UserError
from zfpipe.reading.reader import Batches
from zfpipe.writing import decode
from zfpipe.writing.decode import square
from zfpipe.writing.writer import write_beton


def expected_order(folder: Folder) -> list[int]:
    """Return positions in the index in the order of the beton."""
    return np.random.default_rng(0).permutation(len(folder.rows)).tolist()


# Several workers


@pytest.mark.parametrize("mode", ["raw", "jpg"])
def test_bytes_are_those_of_ffcvs_own_writer_for_any_number_of_workers(
    folder: Folder, tmp_path: Path, mode: str
) -> None:
    written = []
    for workers in (1, 2, 5):
        beton = tmp_path / f"{workers}/train.beton"
        folder.write(beton, workers, write_mode=mode)
        written.append(beton.read_bytes())
    assert written[0] == written[1] == written[2]

    class Samples:
        """Give samples by their number, as FFCV's writer asks for them."""

        def __len__(self) -> int:
            return len(folder.rows)

        def __getitem__(self, position: int) -> tuple[np.ndarray, int, int]:
            row = folder.rows.iloc[expected_order(folder)[position]]
            return square((folder.root / row["path"]).read_bytes(), SIDE), int(row["label"]), int(row["id"])

    fields = {"image": RGBImageField(write_mode=mode, jpeg_quality=90), "label": IntField(), "id": IntField()}
    twin = tmp_path / "twin.beton"
    within(30, lambda: DatasetWriter(str(twin), fields, num_workers=1).from_indexed_dataset(Samples()))
    assert twin.read_bytes() == written[0]


def test_more_images_than_are_decoded_ahead_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "pictures", count=90)
    folder.write(tmp_path / "whole/train.beton")
    monkeypatch.setattr(decode, "AHEAD", 3)
    running: list[int] = []

    def slow(path: str, offset: int | None, size: int | None) -> bytes:
        running.append(1)
        time.sleep(0.003 * (int(path.split(".")[0]) % 3))  # makes workers overtake each other
        return folder.read(path, offset, size)

    (tmp_path / "slow").mkdir()
    write_beton(folder.rows, slow, settings(), tmp_path / "slow/train.beton", workers=2)
    assert len(running) == 90
    assert (tmp_path / "slow/train.beton").read_bytes() == (tmp_path / "whole/train.beton").read_bytes()


def test_memory_does_not_grow_with_the_set(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "AHEAD", 3)
    read: list[str] = []

    def counted(path: str, offset: int | None, size: int | None) -> bytes:
        read.append(path)
        return folder.read(path, offset, size)

    images = decode.decode_in_order(folder.rows, counted, SIDE, workers=2)
    assert isinstance(images, Generator)
    for taken in range(1, 20):
        next(images)
        time.sleep(0.002)
        assert len(read) <= taken + 3 * 2
    images.close()


def test_giving_up_does_not_decode_what_was_waiting(folder: Folder) -> None:
    read: list[str] = []

    def slow(path: str, offset: int | None, size: int | None) -> bytes:
        read.append(path)
        time.sleep(0.02)
        return folder.read(path, offset, size)

    images = decode.decode_in_order(folder.rows, slow, SIDE, workers=2)
    assert isinstance(images, Generator)
    next(images)
    images.close()
    assert len(read) < COUNT / 2


def test_images_are_read_in_their_order_in_the_archive_and_encoded_in_parallel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker reads up to twelve images ahead, sorted six at a time.

    Each image is encoded in the thread that decoded the image.
    """
    monkeypatch.setattr(decode, "AHEAD", 12)
    folder = make_folder(tmp_path / "pictures", count=20)
    rows = folder.rows.sample(frac=1, random_state=0)
    rows["offset"] = (rows["id"] - FIRST_ID).astype(pd.Int64Dtype())
    rows["size"] = pd.array([1] * 20, pd.Int64Dtype())
    places, threads = [], set()

    def read(path: str, offset: int | None, size: int | None) -> bytes:
        assert offset is not None
        places.append(offset)
        return folder.read(f"{offset}.png", None, None)

    def encode(pixels: np.ndarray) -> np.ndarray:
        threads.add(threading.current_thread())
        return pixels[:1, 0]

    found = list(decode.decode_in_order(rows.assign(path="archive.tar"), read, SIDE, 1, encode))
    wanted = rows["offset"].tolist()
    assert places == [place for first in range(0, 20, 6) for place in sorted(wanted[first : first + 6])] != wanted
    for one, place in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, square(folder.read(f"{place}.png", None, None), SIDE)[:1, 0])
    assert threading.main_thread() not in threads


# Order, content, sidecar


def test_order_is_one_permutation_by_the_seed(folder: Folder, tmp_path: Path) -> None:
    beton = tmp_path / "train.beton"
    folder.write(beton)
    metadata = Reader(str(beton)).metadata
    assert metadata["f2"].tolist() == [FIRST_ID + place for place in expected_order(folder)]
    assert metadata["f1"].tolist() == [place % 3 for place in expected_order(folder)]
    # The order of the index's rows does not matter, but the seed does.
    shuffled = Folder(folder.root, pd.DataFrame(folder.rows.sample(frac=1, random_state=1)))
    shuffled.write(tmp_path / "again/train.beton")
    assert (tmp_path / "again/train.beton").read_bytes() == beton.read_bytes()
    folder.write(tmp_path / "other/train.beton", seed=1)
    assert Reader(str(tmp_path / "other/train.beton")).metadata["f2"].tolist() != metadata["f2"].tolist()


def test_jpg_is_smaller_and_close(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", count=6, sizes=(SIDE, SIDE))
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)).resize((SIDE, SIDE))
    file = io.BytesIO()
    smooth.save(file, "PNG")
    for row in range(6):
        folder.replace(row, file.getvalue())
    beton = tmp_path / "train.beton"
    assert folder.write(beton, write_mode="jpg", jpeg_quality=95).write_mode == "jpg"
    assert Reader(str(beton)).alloc_table["size"].max() < 3 * SIDE**2
    with Batches(beton, batch=6, crop=SIDE, crops="centre") as batches:
        (batch,) = batches.epoch()
    assert np.abs(batch.images.numpy().astype(int) - np.asarray(smooth)).mean() < 4


def test_sidecar_describes_the_file(folder: Folder, tmp_path: Path) -> None:
    beton = tmp_path / "train.beton"
    folder.write(beton)
    sidecar = json.loads((tmp_path / "train.json").read_text())
    assert sidecar.pop("sha256") == checksum(beton)
    assert sidecar.pop("bytes") == beton.stat().st_size
    assert sorted(sidecar.pop("versions")) == ["ffcv", "numpy", "pillow", "simplejpeg"]
    assert sidecar == {"count": COUNT, "rejected": 0, "classes": CLASSES, "resize": SIDE, "write_mode": "raw"}
    assert (tmp_path / "train.rejected.csv").read_text() == "id,path,reason\n"
    assert sorted(path.name for path in tmp_path.glob("*train*")) == ["train.beton", "train.json", "train.rejected.csv"]


def test_pieces_of_an_archive_are_asked_for_by_whole_numbers(folder: Folder, tmp_path: Path) -> None:
    archive, places = b"header", []
    for path in folder.rows["path"]:
        data = (folder.root / path).read_bytes()
        places.append((len(archive), len(data)))
        archive += data
    rows = folder.rows.assign(path="pictures.tar")
    rows[["offset", "size"]] = places
    rows = rows.astype({"offset": pd.Int64Dtype(), "size": pd.Int64Dtype()})

    def piece(path: str, offset: int | None, size: int | None) -> bytes:
        assert path == "pictures.tar"
        assert offset is not None
        assert size is not None
        return archive[offset : offset + size]

    folder.write(tmp_path / "folder/train.beton")
    (tmp_path / "archive").mkdir()
    write_beton(rows, piece, settings(), tmp_path / "archive/train.beton", 2)
    assert (tmp_path / "archive/train.beton").read_bytes() == (tmp_path / "folder/train.beton").read_bytes()


# Images that can't be read


def damage(folder: Folder) -> None:
    """Damage three images in different ways, and remove a fourth."""
    folder.replace(5, b"")
    folder.replace(2, b"<html>")
    folder.replace(9, (folder.root / "9.png").read_bytes()[:-400])
    (folder.root / "20.png").unlink()


def test_images_that_cant_be_read_are_listed_and_left_out(folder: Folder, tmp_path: Path) -> None:
    damage(folder)
    listings = []
    for workers in (1, 2):
        beton = tmp_path / f"{workers}/train.beton"
        sidecar = folder.write(beton, workers, max_rejected=0.1)
        assert (sidecar.count, sidecar.rejected) == (COUNT - 4, 4)
        listings.append(beton.with_suffix(".rejected.csv").read_text())
    assert listings[0] == listings[1]
    assert str(tmp_path) not in listings[0]
    rejected = pd.read_csv(io.StringIO(listings[0]))
    assert rejected["id"].tolist() == [FIRST_ID + place for place in (2, 5, 9, 20)]
    assert rejected["path"].tolist() == ["2.png", "5.png", "9.png", "20.png"]
    assert rejected["reason"].tolist()[:2] == ["a web page, not an image; download it again", "empty file"]
    assert rejected["reason"].iloc[3] == "No such file or directory"
    verify(beton)
    with Batches(beton, batch=COUNT, crop=SIDE, crops="centre") as batches:
        (batch,) = batches.epoch()
    left = set(range(COUNT)) - {2, 5, 9, 20}
    assert set(batch.ids.tolist()) == {FIRST_ID + place for place in left}
    for image, identity in zip(batch.images.numpy(), batch.ids.tolist(), strict=True):
        data = (folder.root / f"{identity - FIRST_ID}.png").read_bytes()
        np.testing.assert_array_equal(image, square(data, SIDE))


def test_a_folder_or_a_locked_file_instead_of_an_image_is_listed_without_its_folders(
    folder: Folder, tmp_path: Path
) -> None:
    (folder.root / "4.png").unlink()
    (folder.root / "4.png").mkdir()

    def locked(path: str, offset: int | None, size: int | None) -> bytes:  # raised here, since root may read every file
        if path == "7.png":
            raise PermissionError(13, "Permission denied", str(folder.root / path))
        return folder.read(path, offset, size)

    write_beton(folder.rows, locked, settings(max_rejected=0.1), tmp_path / "train.beton", 2)
    rejected = pd.read_csv(tmp_path / "train.rejected.csv")
    assert rejected[["path", "reason"]].to_numpy().tolist() == [
        ["4.png", "Is a directory"],
        ["7.png", "Permission denied"],
    ]


def test_a_failure_of_the_machine_is_not_taken_for_a_damaged_image(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk for the compiled kernel is full, all images would otherwise be left out silently."""

    def full(data: bytes, resize: int) -> np.ndarray:
        raise OSError(28, "No space left on device", "cache/kernel.nbi")

    monkeypatch.setattr(decode, "square", full)
    with pytest.raises(UserError, match=r"^cache/kernel\.nbi can't be written: No space left on device; "):
        folder.write(tmp_path / "train.beton", max_rejected=1)


def test_too_many_unreadable_images_stop_the_stage(folder: Folder, tmp_path: Path) -> None:
    damage(folder)
    with pytest.raises(UserError) as raised:
        folder.write(tmp_path / "train.beton", max_rejected=0.09)
    line = str(raised.value)
    assert line.startswith("train: 4 of 41 images can't be read (the first: ")
    assert "betons.max_rejected = 0.09 allows 3;" in line
    assert "\n" not in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "train.rejected.csv"]


def test_exactly_the_allowed_share_is_accepted(folder: Folder, tmp_path: Path) -> None:
    damage(folder)
    assert folder.write(tmp_path / "train.beton", max_rejected=4 / 41).rejected == 4


def test_a_class_without_an_image_stops_the_stage(folder: Folder, tmp_path: Path) -> None:
    for row in range(1, COUNT, 3):
        folder.replace(row, b"")
    with pytest.raises(UserError, match="no image of class bee can be read"):
        folder.write(tmp_path / "train.beton", max_rejected=1)
    assert not (tmp_path / "train.beton").exists()


def test_a_split_without_images_or_with_a_class_missing_is_refused(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="val: the index has no images"):
        Folder(folder.root, folder.rows.iloc[:0]).write(tmp_path / "val.beton")
    for label in (0, 1):
        without = pd.DataFrame(folder.rows[folder.rows["label"] != label])
        with pytest.raises(UserError, match=f"val: the index has no image with label {label}"):
            Folder(folder.root, without).write(tmp_path / "val.beton")
