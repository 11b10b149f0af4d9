"""The embedded pictures on disk: the same bytes for any number of workers, found by offset, mistakes in one line."""

import hashlib
import os
import signal
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zfpipe.errors import UserError
from zfpipe.pictures.generated import archive
from zfpipe.pictures.generated.picture import CLASSES, draw
from zfpipe.pictures.index import image_bytes, read_index, write_index

COUNTS = {"train": 2 * len(CLASSES), "val": len(CLASSES)}


def drawn(folder: Path, workers: int) -> Path:
    write_index(archive.draw_all(0, COUNTS, folder, workers), folder / "index.parquet")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("pictures"), 1)


def test_one_worker_and_two_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    drawn(tmp_path, 2)
    for name in ("train.tar", "val.tar", "index.parquet"):
        one, two = (hashlib.sha256((place / name).read_bytes()).hexdigest() for place in (folder, tmp_path))
        assert one == two, name


def test_offsets_lead_to_the_members(folder: Path) -> None:
    index = read_index(folder / "index.parquet")
    assert len(index) == sum(COUNTS.values())
    for split, count in COUNTS.items():
        rows = index[index["split"] == split]
        with tarfile.open(folder / f"{split}.tar") as tar:
            members = tar.getmembers()
            assert len(members) == count == len(rows)
            places = zip(members, rows["path"], rows["offset"], rows["size"], rows["class"], strict=True)
            for member, path, offset, size, name in places:
                file = tar.extractfile(member)
                assert file is not None
                assert file.read() == image_bytes(folder, path, offset, size)
                assert member.name.startswith(f"{name}/")
                assert (member.mtime, member.mode, member.uid, member.uname) == (0, 0o644, 0, "")


def test_a_jpeg_shows_what_was_drawn(folder: Path) -> None:
    index = read_index(folder / "index.parquet", also=("mask",))
    for number in (0, 17, COUNTS["train"]):
        row = index.to_dict(orient="records")[number]
        split = str(row["split"])
        picture = draw(0, split, number if split == "train" else number - COUNTS["train"])
        shown = Image.open(BytesIO(image_bytes(folder, row["path"], row["offset"], row["size"])))
        assert shown.size == (row["width"], row["height"])
        assert np.abs(np.asarray(shown, np.float32) - picture.pixels).mean() < 3
        mask = Image.open(BytesIO(row["mask"]))
        assert mask.mode == "1"
        assert (np.asarray(mask) == (picture.mask >= 0.5)).all()


def test_each_class_takes_part_in_both_splits(folder: Path) -> None:
    index = read_index(folder / "index.parquet")
    assert index.groupby("split")["label"].nunique().to_dict() == dict.fromkeys(COUNTS, len(CLASSES))


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"pictures.val = 3; must be at least {len(CLASSES)}"):
        archive.draw_all(0, {"train": 100, "val": 3}, tmp_path)
    assert not list(tmp_path.iterdir())


def kill_yourself(job: object) -> None:
    """What the out-of-memory killer does to a worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "draw_some", kill_yourself)
    with pytest.raises(UserError, match="ZFPIPE_WORKERS=1") as error:
        archive.draw_all(0, COUNTS, tmp_path, 1)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
