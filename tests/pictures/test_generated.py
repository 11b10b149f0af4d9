"""The embedded pictures: the same for everyone, in balance, and true about where things are."""

import cv2
import numpy as np
import pytest

from zfpipe.pictures.generated.faces import BREEDS
from zfpipe.pictures.generated.picture import CLASSES, class_of, draw


def test_a_picture_is_a_function_of_seed_split_and_number() -> None:
    np.random.seed(1)  # noqa: NPY002 - must not matter
    first = draw(0, "train", 7).pixels
    draw(0, "train", 8)
    assert np.array_equal(first, draw(0, "train", 7).pixels)
    for other in (draw(1, "train", 7), draw(0, "val", 7)):
        assert other.pixels.shape != first.shape or not np.array_equal(other.pixels, first)


def test_classes_are_in_balance_and_sizes_vary() -> None:
    assert len(CLASSES) >= 20
    assert sorted(CLASSES) == CLASSES
    counts = np.bincount([class_of(number) for number in range(6000)])
    assert counts.max() - counts.min() <= 1
    shapes = {draw(0, "train", number).pixels.shape[:2] for number in range(30)}
    assert len(shapes) > 20
    assert all(150 <= min(shape) <= 200 and max(shape) / min(shape) <= 1.34 for shape in shapes)


@pytest.mark.parametrize("number", range(50))
def test_mask_box_and_parts_agree(number: int) -> None:
    picture = draw(0, "val", number)
    name, box = CLASSES[class_of(number)], picture.box
    height, width = picture.mask.shape
    assert picture.pixels.shape == (height, width, 3)
    inside = picture.mask >= 0.5
    assert 0.03 < inside.mean() < 0.8
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height
    assert inside[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)].sum() == inside.sum()
    assert set(picture.parts) == ({"right eye", "left eye", "nose"} if name in BREEDS else set())
    for part in picture.parts.values():
        assert 0 <= part.x0 < part.x1 <= width
        assert 0 <= part.y0 < part.y1 <= height
    if picture.parts:
        right, left, nose = (picture.parts[part] for part in ("right eye", "left eye", "nose"))
        assert right.x0 + right.x1 < left.x0 + left.x1, "a creature's right eye is on the left of the picture"
        assert nose.y0 + nose.y1 > min(right.y0 + right.y1, left.y0 + left.y1)


def test_an_eye_is_where_its_box_says() -> None:
    """Every eye has a black rim, so its box is darker than the coat around it, in most pictures."""
    darker = []
    for number in range(250):
        if CLASSES[class_of(number)] != "owl":
            continue
        picture = draw(0, "val", number)
        grey = cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY).astype(float)
        for part in ("right eye", "left eye"):
            box = picture.parts[part]
            eye = grey[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
            darker.append(eye.min() < 70)
    assert len(darker) == 20
    assert np.mean(darker) > 0.9
