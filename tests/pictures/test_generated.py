"""The embedded pictures: the same for everyone, in balance, and true about where things are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zfpipe.pictures.generated import picture as module
from zfpipe.pictures.generated.canvas import Colour, Frame, Layer, ellipse
from zfpipe.pictures.generated.faces import BREEDS, draw_face
from zfpipe.pictures.generated.picture import CLASSES, Picture, class_of, draw
from zfpipe.pictures.generated.textures import textures
from zfpipe.pictures.index import Box


def test_a_picture_is_a_function_of_seed_split_and_number() -> None:
    np.random.seed(1)  # noqa: NPY002 - must not matter
    first = draw(0, "train", 7).pixels
    draw(0, "train", 8)
    assert np.array_equal(first, draw(0, "train", 7).pixels)
    for other in (draw(1, "train", 7), draw(0, "val", 7), draw(0, "train", 7 + len(CLASSES))):
        assert other.pixels.shape != first.shape, "another size: not the textures alone depend on it"


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
    tight = inside[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
    assert tight.sum() == inside.sum()
    assert all(edge.any() for edge in (tight[0], tight[-1], tight[:, 0], tight[:, -1]))
    assert set(picture.parts) == ({"right eye", "left eye", "nose"} if name in BREEDS else set())
    for part in picture.parts.values():
        assert 0 <= part.x0 < part.x1 <= width
        assert 0 <= part.y0 < part.y1 <= height
    if picture.parts:
        right, left, nose = (picture.parts[part] for part in ("right eye", "left eye", "nose"))
        assert right.x0 + right.x1 < left.x0 + left.x1, "a creature's right eye is on the left of the picture"
        assert nose.y0 + nose.y1 > min(right.y0 + right.y1, left.y0 + left.y1)


def repainted(monkeypatch: pytest.MonkeyPatch, number: int, chosen: Callable[[np.ndarray, Colour], bool]) -> np.ndarray:
    """Where a picture changes `(y, x)` when the chosen fills get another colour: found without boxes and masks."""
    before = draw(0, "val", number).pixels.astype(int)
    fill = Layer.fill

    def other(layer: Layer, outline: np.ndarray, colour: Colour, *rest: Any, **more: Any) -> None:
        fill(layer, outline, (255.0, 0.0, 255.0) if chosen(outline, colour) else colour, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Layer, "fill", other)
        after = draw(0, "val", number).pixels.astype(int)
    return np.abs(after - before).max(2) > 60


def extent(changed: np.ndarray) -> tuple[int, int, int, int]:
    """The rectangle x0, y0, x1, y1 around what is true."""
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def visible(picture: Picture, part: Box) -> bool:
    """Nothing stands in front of a part."""
    return bool((picture.mask[int(part.y0) : int(part.y1), int(part.x0) : int(part.x1)] > 0.9).all())


FACES = [number for number in range(50) if CLASSES[class_of(number)] in BREEDS]


def test_eyes_are_where_their_boxes_say(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = 0
    for number in FACES:
        picture = draw(0, "val", number)
        pupils = repainted(monkeypatch, number, lambda _, colour: colour == (16, 14, 16))
        outside = pupils.copy()
        for name in ("right eye", "left eye"):
            eye = picture.parts[name]
            x0, y0, x1, y1 = (int(side) for side in (eye.x0, eye.y0, eye.x1, eye.y1))
            outside[y0:y1, x0:x1] = False
            if visible(picture, eye):
                left, top, right, bottom = extent(pupils[y0:y1, x0:x1])
                assert abs(left + right - (x1 - x0)) <= 0.3 * (x1 - x0)  # twice the distance of the centres
                assert abs(top + bottom - (y1 - y0)) <= 0.3 * (y1 - y0)
                assert bottom - top >= 0.35 * (y1 - y0)
                tested += 1
        assert not outside.any()
    assert tested > len(FACES)


def test_a_nose_fills_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = 0
    for number in FACES:
        with monkeypatch.context() as patch:
            outlines: list[np.ndarray] = []

            def face(*given: Any, found: list[np.ndarray] = outlines) -> dict[str, np.ndarray]:
                parts = draw_face(*given)
                found.append(parts["nose"])
                return parts

            patch.setattr(module, "draw_face", face)
            picture = draw(0, "val", number)
        nose = picture.parts["nose"]
        if visible(picture, nose):
            changed = repainted(
                monkeypatch, number, lambda outline, _, wanted=outlines[0]: np.array_equal(outline, wanted)
            )
            assert np.abs(np.array(extent(changed)) - (nose.x0, nose.y0, nose.x1, nose.y1)).max() <= 2
            tested += 1
    assert tested > len(FACES) / 2


@pytest.mark.parametrize("number", range(25, 50))
def test_the_mask_is_of_what_is_visible(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object alone changes its colours: where the picture then changes is the mask."""
    before = draw(0, "val", number)
    lay, figures = module.over, 0

    def inverted(image: np.ndarray, layer: Layer) -> None:
        nonlocal figures
        if layer.frame.scale > 30:  # clutter is smaller
            figures += 1
            if figures == 1:  # the toy and what stands in front come later
                layer.colour += np.where(layer.colour < 128, 128, -128) * layer.alpha[..., None]
        lay(image, layer)

    monkeypatch.setattr(module, "over", inverted)
    changed = np.abs(draw(0, "val", number).pixels.astype(int) - before.pixels).max(2) > 40
    inside = before.mask >= 0.5
    assert figures >= 1
    assert (changed & inside).sum() > 0.93 * (changed | inside).sum()


def test_things_in_front_are_not_in_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    fronts: list[np.ndarray] = []

    def occluder(*given: Any) -> Layer:
        layer = module_occluder(*given)
        fronts.append(layer.alpha.copy())
        return layer

    module_occluder = module.occluder
    monkeypatch.setattr(module, "occluder", occluder)
    hidden = 0
    for number in range(25):
        fronts.clear()
        mask = draw(0, "val", number).mask
        for front in fronts:
            assert (mask[front > 0.9] < 0.5).all()
            hidden += 1
    assert hidden > 2


def test_a_thing_outside_the_picture_changes_nothing() -> None:
    image = np.full((20, 30, 3), 7, np.float32)
    layer = Layer(20, 30, Frame(100, 100, 5), 0.0, textures(0), np.random.default_rng(0))
    layer.fill(ellipse(0, 0, 1, 1), (255, 255, 255))
    module.over(image, layer)
    assert (image == 7).all()
