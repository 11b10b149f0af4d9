"""Test that classes are combinations: no part alone tells the class, and colour and layout tell next to nothing."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable

import cv2
import numpy as np
import pytest

from zfpipe.drawing.canvas import Frame, Layer, box, contrast
from zfpipe.drawing.palette import brightness, paint
from zfpipe.drawing.patterns import PATTERNS, PERIOD, WORDS, weave
from zfpipe.drawing.picture import draw
from zfpipe.drawing.sets import CLASSES, FAMILIES, KINDS, SETS, SWAPPED, UNSEEN, Kind, draw_kind
from zfpipe.drawing.textures import textures

TRAINED = KINDS["pictures"]
ATTRIBUTES: dict[str, Callable[[Kind], Hashable]] = {
    "family": lambda kind: kind.family,
    "first": lambda kind: kind.first,
    "second": lambda kind: kind.second,
}


def open_classes(attribute: Callable[[Kind], Hashable]) -> list[int]:
    """Return, for each class, the number of classes with the same value of an attribute."""
    counts = Counter(attribute(kind) for kind in TRAINED)
    return [counts[attribute(kind)] for kind in TRAINED]


def test_every_class_is_a_combination_of_its_own() -> None:
    for which, found in KINDS.items():
        assert len(set(found)) == len({kind.name for kind in found}) == len(SETS[which])
    for families in (FAMILIES, UNSEEN):
        for family in families.values():
            assert len(set(family.members)) == len(family.members) >= 2


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_no_attribute_tells_much_of_the_class(name: str) -> None:
    """The class determines the attribute, so that their mutual information is the attribute's entropy."""
    left = open_classes(ATTRIBUTES[name])
    information = np.log2(len(TRAINED)) - np.mean(np.log2(left))
    assert information <= 0.6 * np.log2(len(TRAINED))
    assert min(left) >= 2


def test_a_family_and_one_part_leave_two_classes_or_more() -> None:
    for attribute in (
        lambda kind: (kind.family, kind.first),
        lambda kind: (kind.family, kind.second),
        lambda kind: kind.first,
        lambda kind: kind.second,
    ):
        assert min(open_classes(attribute)) >= 2
    for name, family in FAMILIES.items():
        firsts, seconds = (Counter(values) for values in zip(*family.members, strict=True))
        assert len(set(firsts.values())) == len(set(seconds.values())) == 1, f"{name} is out of balance"


def test_only_the_places_of_patterns_tell_members_apart() -> None:
    """The patterns without their places leave two members."""
    bound = [name for name, family in FAMILIES.items() if {(b, a) for a, b in family.members} == set(family.members)]
    assert len(bound) >= 5
    assert set(SWAPPED) == {(a, b) for a in PATTERNS for b in PATTERNS if a != b}
    for families in UNSEEN.values():
        (first, second), other = families.members
        assert other == (second, first)


def drawn_alone(kind: Kind, seed: int) -> Layer:
    """Return a layer with an object, upright in the middle."""
    layer = Layer(160, 160, Frame(80, 80, 55), 0.3, textures(0), np.random.default_rng(seed))
    draw_kind(layer, kind, np.random.default_rng(seed))
    return layer


@pytest.mark.parametrize("which", ["pictures", "caltech101", "caltech256"])
def test_members_of_a_family_have_the_same_outline(which: str) -> None:
    """Members differ only in what their parts carry.

    With the same random numbers, members have the same mask and other colours.
    """
    members: dict[str, list[Layer]] = defaultdict(list)
    for kind in KINDS[which]:
        members[kind.family].append(drawn_alone(kind, 5))
    for family, layers in members.items():
        for place, layer in enumerate(layers):
            assert np.array_equal(layer.alpha, layers[0].alpha), family
            for other in layers[:place]:
                assert np.abs(layer.colour - other.colour).max(2).max() > 40, family


def test_words_are_of_the_same_length_and_share_no_letter() -> None:
    assert {len(word) for word in WORDS} == {3}
    assert not any(set(one) & set(other) for one in WORDS for other in WORDS if one != other)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_what_its_formula_says(pattern: str) -> None:
    ys, xs = np.mgrid[-1:1:17j, -1:1:19j]
    found = weave(pattern, (xs.astype(np.float32), ys.astype(np.float32)), PERIOD)
    for y, x in np.ndindex(found.shape):
        assert found[y, x] == pytest.approx(plain(pattern, float(xs[y, x]), float(ys[y, x])), abs=1e-3)


def plain(pattern: str, x: float, y: float) -> float:
    """Return the share of the second colour at a place, in plain numbers."""

    def triangle(along: float, period: float) -> float:
        turns = along / period
        return abs(turns - np.floor(turns) - 0.5) * 4 - 1

    longer = 1.4 * PERIOD
    waves = {
        "bars": triangle(y, PERIOD),
        "stripes": triangle(x, PERIOD),
        "checks": 1.5 * triangle(x, longer) * triangle(y, longer),
    }
    return min(max(0.5 + 1.5 * waves[pattern], 0), 1)


def test_patterns_have_the_same_mean_and_turn_with_the_figure() -> None:
    for turn, squeeze in ((0.0, 1.0), (0.2, -0.9)):
        shown = {}
        for pattern in PATTERNS:
            layer = Layer(300, 300, Frame(150, 150, 60, turn, squeeze), 0.0, textures(0), np.random.default_rng(0))
            layer.fill(box(-3, -3, 3, 3), (200, 100, 60), pattern=pattern)
            shown[pattern] = layer.colour[20:-20, 20:-20]
        means = [values.mean((0, 1)) for values in shown.values()]
        assert np.ptp(means, axis=0).max() < 3
        for pattern, direction in (("bars", (-np.sin(turn), np.cos(turn))), ("stripes", (np.cos(turn), np.sin(turn)))):
            plane = shown[pattern][:, :, 0] - shown[pattern][:, :, 0].mean()
            spectrum = np.abs(np.fft.rfft2(plane))
            y, x = np.unravel_index(spectrum.argmax(), spectrum.shape)
            frequency = np.array([x, (y + 130) % 260 - 130]) / 260
            found = frequency / np.linalg.norm(frequency)
            assert abs(found @ np.array(direction)) > 0.99, (pattern, turn)


def test_a_pattern_stays_coarse_enough_to_be_seen() -> None:
    """The period is 4 to 6 pixels in a crop of 96, also in small figures.

    In a small picture the period is a little longer.
    """
    for short in (150, 188):
        for share in (0.07, 0.125, 0.27, 0.39):  # clutter, the objects of a scene, a single object
            layer = Layer(short, short, Frame(0, 0, short * share), 0.0, textures(0), np.random.default_rng(0))
            assert 3.7 <= layer.period * layer.frame.scale * 110 / short <= 6.1


def test_both_colours_of_a_pattern_differ() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        colour = paint(rng)
        assert abs(brightness(contrast(colour)) - brightness(colour)) > 60


def test_thumbnails_tell_little() -> None:
    """Repeat `benchmarks.thumbnails` in small: ridge regression, 8 x 8 pixels, 600 + 300 pictures."""
    rows, labels = [], []
    for split, count in (("train", 600), ("val", 300)):
        for number in range(count):
            picture = draw(0, split, number)
            rows.append(cv2.resize(picture.pixels, (8, 8), interpolation=cv2.INTER_AREA).ravel())
            labels.append(picture.label)
    features = np.array(rows, np.float64)
    features = (features - features[:600].mean(0)) / features[:600].std(0)
    targets = np.eye(len(CLASSES))[labels]
    best = 0.0
    for penalty in (30, 300, 3000):
        square = features[:600].T @ features[:600] + penalty * np.eye(features.shape[1])
        weights = np.linalg.solve(square, features[:600].T @ (targets[:600] - targets.mean(0)))
        guesses = (features[600:] @ weights).argmax(1)
        best = max(best, float((guesses == np.array(labels[600:])).mean()))
    assert best <= 0.15
