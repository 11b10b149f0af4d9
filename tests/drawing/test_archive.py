"""Test the embedded pictures on disk: same bytes for any number of workers, found by offset, mistakes in one line."""

import hashlib
import os
import signal
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zfpipe.drawing import archive
from zfpipe.drawing.picture import CLASSES, draw
from zfpipe.drawing.sets import SCENES, SETS
from zfpipe.errors import UserError
from zfpipe.index.images import image_bytes, read_index, write_index

COUNTS = {"train": len(CLASSES), "val": len(CLASSES)}


def drawn(folder: Path, workers: int, which: str = "pictures", counts: dict[str, int] = COUNTS) -> Path:
    write_index(archive.draw_all(0, counts, folder, workers, which), folder / "index.parquet")
    return folder


def same(one: Path, two: Path) -> None:
    """Fail unless both folders hold the same bytes."""
    for name in ("train.tar", "val.tar", "index.parquet"):
        first, second = (hashlib.sha256((place / name).read_bytes()).hexdigest() for place in (one, two))
        assert first == second, name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("pictures"), 1)


def test_one_worker_and_two_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    same(folder, drawn(tmp_path, 2))


@pytest.mark.parametrize("which", [which for which in SETS if which != "pictures"])
def test_the_index_of_a_transfer_set_says_what_was_drawn(which: str, tmp_path: Path) -> None:
    names, counts = SETS[which], {"train": 30, "val": 20}
    one = drawn(tmp_path / "one", 1, which, counts)
    if which in SCENES:
        same(one, drawn(tmp_path / "two", 2, which, counts))
    rows = read_index(one / "index.parquet", also=("labels", "mask")).to_dict(orient="records")
    assert [row["split"] for row in rows] == ["train"] * 30 + ["val"] * 20
    for row in rows[:8] + rows[30:38]:
        number = row["id"] - (0 if row["split"] == "train" else 30)
        picture = draw(0, str(row["split"]), number, which)
        assert (row["label"], row["class"]) == (picture.label, names[picture.label])
        assert (tuple(row["labels"]) if which in SCENES else row["labels"]) == picture.labels
        box = picture.box
        assert [row[f"box_{side}"] for side in ("x0", "y0", "x1", "y1")] == [box.x0, box.y0, box.x1, box.y1]
        assert (np.asarray(Image.open(BytesIO(row["mask"]))) == (picture.mask >= 0.5)).all()
        shown = Image.open(BytesIO(image_bytes(one, row["path"], row["offset"], row["size"])))
        assert np.abs(np.asarray(shown, np.float32) - picture.pixels).mean() < 3
    assert which in SCENES or {row["label"] for row in rows} == set(range(len(names)))


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


def test_both_splits_have_every_class(folder: Path) -> None:
    index = read_index(folder / "index.parquet")
    assert index.groupby("split")["label"].nunique().to_dict() == dict.fromkeys(COUNTS, len(CLASSES))


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"pictures.val = 3; must be at least {len(CLASSES)}"):
        archive.draw_all(0, {"train": 100, "val": 3}, tmp_path)
    with pytest.raises(UserError, match=r"caltech101.train = 9; must be at least 10"):
        archive.draw_all(0, {"train": 9, "val": 10}, tmp_path, which="caltech101")
    assert not list(tmp_path.iterdir())


def kill_yourself(job: object) -> None:
    """Kill the worker, as the out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "draw_some", kill_yourself)
    with pytest.raises(UserError, match="ZFPIPE_WORKERS=1") as error:
        archive.draw_all(0, COUNTS, tmp_path, 1)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
