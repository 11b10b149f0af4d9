"""Test objects and parts in the pixels of the centre crop."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from zfpipe.index.images import Box, Entry, write_index
from zfpipe.subject.truth import Truth

RESIZE, CROP = 50, 40
"""The centre square of an image of 300 x 200 begins at x = 50, and is shrunk to a quarter.

The crop leaves out 5 pixels.
"""


def mask_of(box: Box, width: int = 300, height: int = 200) -> bytes:
    mask = np.zeros((height, width), np.uint8)
    mask[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 255
    return cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()


BOX = Box(110, 60, 190, 140)
PLACED = (slice(60 // 4 - 5, 140 // 4 - 5), slice((110 - 50) // 4 - 5, (190 - 50) // 4 - 5))


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    def entry(split: str = "val", width: int | None = 300, **known: object) -> Entry:
        return Entry(split, 0, "thing", "a.jpg", width, 200, **known)  # type: ignore[arg-type]

    parts = {"nose": Box(130, 100, 150, 120), "tail": Box(50, 0, 60, 40), "paw": Box(240, 100, 260, 120)}
    entries = [
        entry("train", mask=mask_of(BOX)),
        entry(mask=mask_of(BOX), box=Box(0, 0, 300, 200)),
        entry(box=BOX),
        entry(parts=parts),
        entry(box=Box(0, 0, 60, 200)),
        entry(mask=mask_of(Box(0, 0, 1, 1))),
        entry(width=None, box=BOX, parts=parts),
    ]
    write_index(entries, tmp_path / "index.parquet")
    return Truth(tmp_path / "index.parquet", "val", RESIZE, CROP)


@pytest.mark.parametrize("image", [1, 2])
def test_masks_and_boxes_land_on_the_same_pixels(truth: Truth, image: int) -> None:
    found = truth.object(image)
    expected = np.zeros((CROP, CROP), bool)
    expected[PLACED] = True
    assert found is not None and np.array_equal(found, expected)


def test_unknown_and_cut_off_objects_are_none(truth: Truth) -> None:
    assert [truth.object(image) for image in (3, 4, 5, 6)] == [None] * 4
    assert 0 not in truth.rows, "images of the other split must be left out"


def test_only_parts_inside_the_crop_are_known(truth: Truth) -> None:
    assert truth.parts(3) == {"nose": Box(15.0, 20.0, 20.0, 25.0)}
    assert truth.parts(1) == truth.parts(6) == {}


def test_a_larger_image_than_the_set_has_is_enlarged(tmp_path: Path) -> None:
    box = Box(4, 4, 12, 12)
    write_index(
        [Entry("val", 0, "thing", "a.jpg", 16, 16, mask=mask_of(box, 16, 16), box=box)], tmp_path / "index.parquet"
    )
    found = Truth(tmp_path / "index.parquet", "val", 64, 64).object(0)
    assert found is not None
    assert found[20:44, 20:44].all() and not found[:14].any() and not found[50:].any()
