"""Test pictures in two sets: the blocked search against a plain one, copies found, copies left out of the beton."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import SETTINGS
from zfpipe.drawing.picture import draw
from zfpipe.errors import UserError
from zfpipe.probes import overlap
from zfpipe.probes.overlap import ImageSet, alike, find, fingerprint
from zfpipe.writing.writer import without, write_beton


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality)
    return data.getvalue()


def image_set(files: dict[str, bytes], first: int = 0) -> ImageSet:
    names = list(files)
    rows = pd.DataFrame({"id": range(first, first + len(names)), "path": names, "label": 0, "class": "one"})
    return ImageSet(rows.assign(offset=None, size=None), lambda path, *_: files[path])


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [draw(0, "train", number).pixels for number in range(40)]


def test_the_blocked_search_equals_a_search_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (count, 4, 4, 3), np.uint8) for count in (23, 17))
    left, right = (np.stack([fingerprint(pixels) for pixels in part]) for part in (one, other))
    slow = {}
    for i, first in enumerate(one):
        for j, second in enumerate(other):
            greys = [pixels.astype(float) @ [0.299, 0.587, 0.114] for pixels in (first, second)]
            correlation = np.corrcoef(greys[0].ravel(), greys[1].ravel())[0, 1]
            if correlation >= 0.3:
                slow[i, j] = correlation
    assert 5 < len(slow) < 200
    for block in (1, 5, 16, 4096):
        monkeypatch.setattr(overlap, "BLOCK", block)
        found = alike(left, right, 0.3)
        assert list(zip(found["one"], found["other"], strict=True)) == sorted(slow)
        np.testing.assert_allclose(found["correlation"], [slow[pair] for pair in sorted(slow)], atol=1e-5)


def test_copies_are_found_and_other_pictures_are_not(pictures: list[np.ndarray]) -> None:
    small = np.asarray(Image.fromarray(pictures[3]).resize([round(side * 0.6) for side in pictures[3].shape[1::-1]]))
    inside = pictures[7][2:-2, 2:-2]
    target = image_set({"again.jpg": jpeg(pictures[0], 40), "small.jpg": jpeg(small), "cut.jpg": jpeg(inside)})
    train = image_set({f"{number}.jpg": jpeg(pixels) for number, pixels in enumerate(pictures)}, first=100)
    table, sheet = find(train, target, SETTINGS.overlap)
    assert list(zip(table["id"], table["train"], table["target"], strict=True)) == [
        (100, "0.jpg", "again.jpg"), (103, "3.jpg", "small.jpg"), (107, "7.jpg", "cut.jpg")
    ]  # fmt: skip
    assert table["correlation"].between(0.95, 1.000001).all()
    assert sheet is not None
    assert sheet.width > 6 * 256


def test_flat_and_unreadable_pictures_match_nothing(pictures: list[np.ndarray]) -> None:
    flat = jpeg(np.full((50, 60, 3), 77, np.uint8))
    train = image_set({"flat.jpg": flat, "broken.jpg": b"", "other.jpg": jpeg(pictures[1])})
    target = image_set({"flat.jpg": flat, "broken.jpg": b"", "picture.jpg": jpeg(pictures[2])})
    table, sheet = find(train, target, SETTINGS.overlap)
    assert table.empty
    assert list(table.columns) == overlap.COLUMNS
    assert sheet is None


def test_the_beton_leaves_out_the_pictures_of_both_sets(pictures: list[np.ndarray], tmp_path: Path) -> None:
    train = image_set({f"{number}.jpg": jpeg(pixels) for number, pixels in enumerate(pictures[:5])}, first=10)
    table = tmp_path / "overlap.csv"
    pd.DataFrame({"id": [12, 12, 14]}).to_csv(table, index=False)
    left = without(train.rows, [table])
    assert left["id"].tolist() == [10, 11, 13]
    sidecar = write_beton(left, train.read, SETTINGS.betons, tmp_path / "train.beton")
    assert sidecar.count == 3
    pd.DataFrame(columns=overlap.COLUMNS).to_csv(table, index=False)
    assert without(train.rows, [table]).equals(train.rows)
    pd.DataFrame({"id": range(10, 15)}).to_csv(table, index=False)
    with pytest.raises(UserError, match=r"overlap\.csv: every training image; raise overlap\.threshold"):
        without(train.rows, [table])
