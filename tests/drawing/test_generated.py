"""Test the embedded pictures: the same for everyone, balanced, and true about the places of things."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zfpipe.drawing import picture as module
from zfpipe.drawing.canvas import Colour, Frame, Layer, ellipse
from zfpipe.drawing.faces import FACES
from zfpipe.drawing.picture import CLASSES, Picture, class_of, draw
from zfpipe.drawing.sets import FAMILIES, FEW, KINDS, MANY, SCENES, SETS, UNSEEN, Kind
from zfpipe.drawing.textures import textures
from zfpipe.index.images import Box

TRANSFER = [which for which in SETS if which != "pictures"]
SINGLE = [which for which in SETS if which not in SCENES]


def has_face(kind: Kind) -> bool:
    return kind.family in FACES


def kind_of(which: str, number: int) -> Kind:
    return KINDS[which][class_of(number, which)]


TWO_OF_EACH = [(which, number) for which in SINGLE for number in range(2 * len(SETS[which]))]


def test_a_picture_is_a_function_of_seed_split_and_number() -> None:
    np.random.seed(1)  # noqa: NPY002 - must not matter
    first = draw(0, "train", 7).pixels
    draw(0, "train", 8)
    assert np.array_equal(first, draw(0, "train", 7).pixels)
    for other in (draw(1, "train", 7), draw(0, "val", 7), draw(0, "train", 7 + len(CLASSES))):
        assert other.pixels.shape != first.shape, "the size must depend on seed, split and number"


@pytest.mark.parametrize("which", TRANSFER)
def test_each_set_has_other_pictures(which: str) -> None:
    first = draw(0, "val", 3, which)
    draw(0, "val", 3)
    again = draw(0, "val", 3, which)
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.mask, again.mask)
    assert (first.label, first.labels, first.parts) == (again.label, again.labels, again.parts)
    given = [(0, "val", 3, other) for other in SETS if other != which]
    for other in (*given, (1, "val", 3, which), (0, "train", 3, which), (0, "val", 3 + len(SETS[which]), which)):
        assert not np.array_equal(draw(*other).pixels, first.pixels), other
    sizes = {tuple(draw(0, "val", number, other).pixels.shape for number in range(3)) for other in SETS}
    assert len(sizes) == len(SETS), "each set needs random numbers of its own"


def test_the_pictures_to_train_on_are_the_default() -> None:
    assert SETS["pictures"] == CLASSES
    for number in (3, 11):
        plain, named = draw(2, "train", number), draw(2, "train", number, "pictures")
        assert np.array_equal(plain.pixels, named.pixels)
        assert plain.label == named.label == class_of(number) == class_of(number, "pictures")
        assert plain.labels is None


def test_training_never_sees_a_class_of_the_transfer_sets() -> None:
    assert not FAMILIES.keys() & UNSEEN.keys(), "training must not see an object of the transfer sets"
    assert not FEW.keys() & MANY.keys()
    for which in TRANSFER:
        names = SETS[which]
        assert sorted(set(names)) == names
        assert {kind.family for kind in KINDS[which]} <= UNSEEN.keys()
        counts = np.bincount([class_of(number, which) for number in range(1000)], minlength=len(names))
        assert counts.max() - counts.min() <= 1
    assert set(SETS["voc2012"]) < {*SETS["caltech101"], *SETS["caltech256"]}
    assert [len(SETS[which]) for which in TRANSFER] == [10, 12, 20]


def test_classes_are_balanced_and_sizes_vary() -> None:
    assert 50 <= len(CLASSES) <= 100
    assert sorted(CLASSES) == CLASSES
    counts = np.bincount([class_of(number) for number in range(6000)])
    assert counts.max() - counts.min() <= 1
    shapes = {draw(0, "train", number).pixels.shape[:2] for number in range(30)}
    assert len(shapes) > 20
    assert all(150 <= min(shape) <= 200 and max(shape) / min(shape) <= 1.34 for shape in shapes)


@pytest.mark.parametrize(("which", "number"), TWO_OF_EACH)
def test_mask_box_and_parts_agree(which: str, number: int) -> None:
    picture = draw(0, "val", number, which)
    box = picture.box
    assert picture.label == class_of(number, which)
    assert picture.labels is None
    height, width = picture.mask.shape
    assert picture.pixels.shape == (height, width, 3)
    inside = picture.mask >= 0.5
    assert 0.03 < inside.mean() < 0.8
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height
    tight = inside[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
    assert tight.sum() == inside.sum()
    assert all(edge.any() for edge in (tight[0], tight[-1], tight[:, 0], tight[:, -1]))
    assert set(picture.parts) == ({"right eye", "left eye", "nose"} if has_face(kind_of(which, number)) else set())
    for part in picture.parts.values():
        assert 0 <= part.x0 < part.x1 <= width
        assert 0 <= part.y0 < part.y1 <= height
    if picture.parts:
        right, left, nose = (picture.parts[part] for part in ("right eye", "left eye", "nose"))
        assert right.x0 + right.x1 < left.x0 + left.x1, "a creature's right eye must be on the left of the picture"
        assert nose.y0 + nose.y1 > min(right.y0 + right.y1, left.y0 + left.y1)


def repainted(
    monkeypatch: pytest.MonkeyPatch, which: str, number: int, chosen: Callable[[np.ndarray, Colour], bool]
) -> np.ndarray:
    """Return where a picture changes `(y, x)` if the chosen fills get another colour, without boxes and masks."""
    before = draw(0, "val", number, which).pixels.astype(int)
    fill = Layer.fill

    def other(layer: Layer, outline: np.ndarray, colour: Colour, *rest: Any, **more: Any) -> None:
        fill(layer, outline, (255.0, 0.0, 255.0) if chosen(outline, colour) else colour, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Layer, "fill", other)
        after = draw(0, "val", number, which).pixels.astype(int)
    return np.abs(after - before).max(2) > 60


def extent(changed: np.ndarray) -> tuple[int, int, int, int]:
    """Return the rectangle x0, y0, x1, y1 around the true values."""
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def visible(picture: Picture, part: Box) -> bool:
    """Return whether nothing stands in front of a part."""
    return bool((picture.mask[int(part.y0) : int(part.y1), int(part.x0) : int(part.x1)] > 0.9).all())


WITH_FACES = [(which, number) for which, number in TWO_OF_EACH if has_face(kind_of(which, number))]


def test_eyes_are_where_their_boxes_say(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = 0
    for which, number in WITH_FACES:
        picture = draw(0, "val", number, which)
        pupils = repainted(monkeypatch, which, number, lambda _, colour: colour == (16, 14, 16))
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
    assert tested > len(WITH_FACES)


def test_a_nose_fills_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = 0
    draw_kind = module.draw_kind
    for which, number in WITH_FACES:
        with monkeypatch.context() as patch:
            outlines: list[np.ndarray] = []

            def face(*given: Any, found: list[np.ndarray] = outlines) -> dict[str, np.ndarray]:
                parts = draw_kind(*given)
                found.append(parts["nose"])
                return parts

            patch.setattr(module, "draw_kind", face)
            picture = draw(0, "val", number, which)
        nose = picture.parts["nose"]
        if visible(picture, nose):
            changed = repainted(
                monkeypatch, which, number, lambda outline, _, wanted=outlines[0]: np.array_equal(outline, wanted)
            )
            assert np.abs(np.array(extent(changed)) - (nose.x0, nose.y0, nose.x1, nose.y1)).max() <= 2
            tested += 1
    assert tested > len(WITH_FACES) / 2


@pytest.mark.parametrize(("which", "number"), [one for one in TWO_OF_EACH if one[1] >= len(SETS[one[0]])])
def test_the_mask_is_the_visible_object(which: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the object becomes magenta, and the picture then changes at the mask."""
    before = draw(0, "val", number, which)
    lay, figures = module.over, 0

    def magenta(image: np.ndarray, layer: Layer) -> None:
        nonlocal figures
        if layer.frame.scale > 30:  # clutter is smaller
            figures += 1
            if figures == 1:  # later figures stand in front
                layer.colour[:] = np.array((255, 0, 255)) * layer.alpha[..., None]
        lay(image, layer)

    monkeypatch.setattr(module, "over", magenta)
    changed = np.abs(draw(0, "val", number, which).pixels.astype(int) - before.pixels).max(2) > 40
    inside = before.mask >= 0.5
    assert figures >= 1
    assert (changed & inside).sum() > (0.93 if which == "pictures" else 0.9) * (
        changed | inside
    ).sum()  # thin things have more edge


def test_parts_lie_inside_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module,
        "occluder",
        lambda frame, height, width, light, tiles, rng: Layer(height, width, frame, light, tiles, rng),
    )
    for which, number in WITH_FACES:
        picture = draw(0, "train", number, which)
        for name, part in picture.parts.items():
            inside = picture.mask[int(part.y0) : int(part.y1), int(part.x0) : int(part.x1)] > 0.9
            assert inside.mean() > 0.97, (which, number, name)


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


def scene(monkeypatch: pytest.MonkeyPatch, number: int) -> tuple[Picture, list[tuple[int, Layer, float]]]:
    """Return a scene and its objects in the order of drawing: label, layer, whole area in pixels."""
    objects: list[tuple[int, Layer, float]] = []

    def watched(layer: Layer, kind: Kind, rng: np.random.Generator) -> dict[str, np.ndarray]:
        parts = draw_kind(layer, kind, rng)
        objects.append((KINDS["voc2012"].index(kind), layer, float((layer.alpha >= 0.5).sum())))
        return parts

    draw_kind = module.draw_kind
    with monkeypatch.context() as patch:
        patch.setattr(module, "draw_kind", watched)
        return draw(0, "val", number, "voc2012"), objects


def test_a_scene_names_what_can_be_recognised_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the labels a second time: each pixel belongs to the last object drawn there.

    Every other scene is crowded.
    """
    spread = module.spread

    def crowded(*given: Any) -> list[Frame]:
        near = 0.3 if number % 2 else 1.0
        frames = spread(*given)
        return [replace(one, x=near * one.x + (1 - near) * 75, y=near * one.y + (1 - near) * 75) for one in frames]

    monkeypatch.setattr(module, "spread", crowded)
    counts, twins, cut, hidden = set(), 0, 0, 0
    for number in range(60):
        picture, objects = scene(monkeypatch, number)
        owner = np.full(picture.mask.shape, -1)
        for place, (_, layer, _) in enumerate(objects):
            owner[layer.alpha >= 0.5] = place
        areas = [int((owner == place).sum()) for place in range(len(objects))]
        shares = [area / whole for area, (_, _, whole) in zip(areas, objects, strict=True)]
        if any(abs(share - 0.4) < 0.02 for share in shares):
            continue  # half-covered pixels would decide
        found = [place for place, share in enumerate(shares) if share > 0.4]
        assert picture.labels is not None
        assert picture.labels == tuple(sorted({objects[place][0] for place in found}))
        largest = max(found, key=lambda place: areas[place])
        assert picture.label == objects[largest][0]
        assert picture.label in picture.labels
        inside = picture.mask >= 0.5
        assert (inside & (owner == largest)).sum() > 0.95 * (inside | (owner == largest)).sum()
        assert objects[-1][0] == class_of(number, "voc2012"), "the classes must take turns in front"
        assert class_of(number, "voc2012") in picture.labels
        counts.add(len(objects))
        twins += len({label for label, _, _ in objects}) < len(objects)
        cut += 0.4 < min(shares) < 0.9
        hidden += 0.05 < min(shares) < 0.4
    assert counts == {1, 2, 3}
    assert twins > 3
    assert cut > 3
    assert hidden > 3


def test_an_object_hidden_beyond_recognition_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other objects stand behind the first, too small to be seen, and then beside the first."""
    tested = 0
    for number in range(40):
        for beside in (0, 65):
            places = [Frame(75, 75, 35), Frame(75 + beside, 75, 4), Frame(75 - beside, 75, 4)]
            monkeypatch.setattr(module, "spread", lambda names, *_, places=places: places[: len(names)])
            picture, objects = scene(monkeypatch, number)
            others = {label for label, _, _ in objects[:-1]} - {class_of(number, "voc2012")}
            if has_face(kind_of("voc2012", number)) and others:  # a face covers the middle
                assert (len(picture.labels or ()) > 1) == bool(beside)
                assert picture.label == class_of(number, "voc2012")
                tested += 1
    assert tested > 6


@pytest.mark.parametrize("number", range(20))
def test_a_scene_has_small_objects(number: int) -> None:
    picture = draw(0, "train", number, "voc2012")
    height, width = picture.mask.shape
    box = picture.box
    assert picture.pixels.shape == (height, width, 3)
    assert picture.parts == {}
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height
    assert 0.15 < max(box.x1 - box.x0, box.y1 - box.y0) / min(height, width) < 0.7
