"""Test hiding the same part in different faces: the choice of faces, the masks, the distances."""

from itertools import combinations

import numpy as np
import pytest
import torch

from tests.conftest import CROP, SETTINGS
from tests.networks import random_images, small_network
from zfpipe.index.images import Box
from zfpipe.probes import correspondence
from zfpipe.probes.projections import Crops
from zfpipe.reading.inputs import MeanSubtraction

FACE = {"right eye": Box(30, 30, 40, 38), "left eye": Box(60, 30, 70, 38), "nose": Box(46, 50, 56, 56)}
PLACES = {7: 0, 9: 1, 2: 2}
"""The place of each of three images, by id."""


def around(x: float, y: float) -> Box:
    return Box(x - 4, y - 4, x + 4, y + 4)


def test_only_frontal_faces_count() -> None:
    assert correspondence.frontal(FACE)
    assert not correspondence.frontal({part: FACE[part] for part in ("right eye", "nose")})
    mirrored = FACE | {"right eye": FACE["left eye"], "left eye": FACE["right eye"]}
    assert not correspondence.frontal(mirrored), "a mirrored face"
    assert not correspondence.frontal(FACE | {"nose": around(64, 53)}), "a face that looks aside"
    assert not correspondence.frontal(FACE | {"nose": around(51, 10)}), "a face upside down"
    assert not correspondence.frontal(FACE | {"left eye": around(65, 52)}), "a face that leans"


def test_masks_are_of_one_size_on_the_parts_and_elsewhere() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:80, 20:80] = True
    size = correspondence.side(FACE)
    assert size == 10
    found = correspondence.places(FACE, mask, 200, np.random.default_rng(0))
    assert found["right eye"] == [(29, 30)] and found["nose"] == [(48, 46)]
    taken = np.zeros((100, 100), bool)
    for part in correspondence.PARTS:
        ((top, left),) = found[part]
        taken[top : top + size, left : left + size] = True
    assert len(found["random"]) == 200
    for top, left in found["random"]:
        assert mask[top + 5, left + 5] and not taken[top + 5, left + 5]
    assert len({top for top, _ in found["random"]}) > 30
    assert correspondence.corner(np.array([1.0, 99.0]), 10, 100) == (90, 0), "the mask is not moved into the crop"


def test_hidden_squares_are_filled_and_nothing_else() -> None:
    image, fill = torch.rand(3, 20, 20), torch.full((3, 20, 20), 5.0)
    found = correspondence.hidden(image, fill, [(0, 3), (10, 10)], 4)
    for one, (top, left) in zip(found, [(0, 3), (10, 10)], strict=True):
        assert (one[:, top : top + 4, left : left + 4] == 5).all()
        assert (one != image).sum() == 3 * 16
    pictures = correspondence.painted(np.zeros((20, 20, 3), np.uint8), [(0, 3)], 4, 128.0)
    assert pictures.shape == (2, 20, 20, 3) and not pictures[0].any()
    assert (pictures[1, 0:4, 3:7] == 128).all() and pictures[1].sum() == 16 * 3 * 128


def test_signs_are_of_original_minus_masked_and_no_change_is_zero() -> None:
    network, image = small_network("zfnet"), random_images(1)[0]
    cornered = image.clone()
    cornered[:, :9, :9] = 50
    masked = torch.stack([image, image * 0, cornered])
    found = correspondence.changes(network, image, masked)
    assert set(found) == {5, 7}
    with torch.no_grad():
        *_, one = network.trace(image[None])
        for place, other in enumerate(masked):
            *_, two = network.trace(other[None])
            seventh = [dict(network.dense(trace.output))[7].flatten() for trace in (one, two)]
            for layer, change in ((5, (one.output - two.output).flatten()), (7, seventh[0] - seventh[1])):
                clear = change.abs().numpy() > 1e-3
                assert np.array_equal(found[layer][place][clear], change.sign().numpy()[clear])
                assert not found[layer][place][change.numpy() == 0].any()
    assert not found[5][0].any() and not found[7][0].any(), "nothing changed"
    assert (found[5][2] == 0).any() and (found[5][2] != 0).any(), "far from the corner nothing may change"


def test_faces_are_measured_one_by_one(inputs: MeanSubtraction) -> None:
    network = small_network("zfnet", CROP)
    crops = Crops(torch.randint(0, 256, (3, CROP, CROP, 3), dtype=torch.uint8), torch.tensor([4, 5, 6]), PLACES)
    parts = {part: Box(*(side * CROP / 100 for side in vars(box).values())) for part, box in FACE.items()}
    objects = dict.fromkeys(PLACES, np.ones((CROP, CROP), bool))
    settings = SETTINGS.correspondence.model_copy(update={"images": 2, "random": 3})
    signs, shown = correspondence.measure(network, inputs, crops, dict.fromkeys(PLACES, parts), objects, settings)
    assert {part: values[5].shape[:2] for part, values in signs.items()} == {
        **dict.fromkeys(correspondence.PARTS, (3, 1)), "random": (3, 3)
    }  # fmt: skip
    order = np.random.default_rng(settings.seed).permutation(list(PLACES)).tolist()
    assert [one.image for one in shown] == order[:2]
    for row, image in enumerate(order):
        pixels, size = inputs(crops.batch([image]))[0], correspondence.side(parts)
        ((top, left),) = correspondence.places(parts, objects[image], 3, np.random.default_rng(0))["nose"]
        masked = pixels.clone()
        masked[:, top : top + size, left : left + size] = (settings.grey - 118.0) * torch.ones(3, size, size)
        found = correspondence.changes(network, pixels, masked[None])
        assert np.array_equal(found[5][0], signs["nose"][5][row, 0])
    first = shown[0]
    assert first.label == {7: 4, 9: 5, 2: 6}[first.image] and first.pictures.shape == (1 + 3 + 3, CROP, CROP, 3)
    assert np.array_equal(first.pictures[0], crops.batch([first.image]).images[0].numpy())


def slow(signs: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """Compute the distances pair by pair, mask by mask, feature by feature."""
    all_of_them, where_both_change, common = [], [], []
    for i, j in combinations(range(len(signs)), 2):
        one, two, three = [], [], []
        for mask in range(signs.shape[1]):
            pairs = list(zip(signs[i, mask].tolist(), signs[j, mask].tolist(), strict=True))
            both = [a != b for a, b in pairs if a != 0 and b != 0]
            one.append(np.mean([a != b for a, b in pairs]))
            three.append(len(both) / len(pairs))
            if both:
                two.append(np.mean(both))
        all_of_them.append(float(np.mean(one)))
        where_both_change.append(float(np.mean(two)) if two else float("nan"))
        common.append(float(np.mean(three)))
    return all_of_them, where_both_change, common


def test_consistency_equals_the_slow_twin() -> None:
    signs = np.random.default_rng(0).integers(-1, 2, (4, 3, 50)).astype(np.int8)
    sparse = signs * (np.random.default_rng(1).random(signs.shape) < 0.1)
    for one in (signs, sparse.astype(np.int8)):
        for fast, plain in zip(correspondence.consistency(one), slow(one), strict=True):
            np.testing.assert_allclose(fast, plain, rtol=1e-6)
    assert not correspondence.consistency(np.repeat(signs[:1], 3, axis=0))[0].any()
    opposite = np.stack([signs[0], -signs[0]])
    assert correspondence.consistency(opposite)[1] == pytest.approx(1)


def test_a_mask_without_a_feature_that_changes_in_both_images_gives_no_distance() -> None:
    """The first mask changes another feature in each image.

    The second mask changes one feature alike in both images.
    """
    signs = np.zeros((2, 2, 4), np.int8)
    signs[0, 0, 0] = signs[1, 0, 1] = signs[0, 1, 2] = signs[1, 1, 2] = 1
    distance, among_changed, common = correspondence.consistency(signs)
    assert (distance, among_changed, common) == (pytest.approx(0.25), 0, pytest.approx(1 / 8))
    assert np.isnan(correspondence.consistency(signs[:, :1])[1]).all(), "the distance must be missing, not the largest"
    three = {"nose": {5: np.concatenate([signs, signs[:1]])[:, :1]}}
    row = correspondence.table(three, correspondence.pairs(three), 3).iloc[-1]
    assert (row["pairs"], row["changed_pairs"], row["changed_mean"]) == (3, 1, 0), (
        "only one pair has a feature that changes in both images"
    )
    none = {"nose": {5: signs[:, :1]}}
    row = correspondence.table(none, correspondence.pairs(none), 2).iloc[-1]
    assert row["changed_pairs"] == 0 and np.isnan(row["changed_mean"]) and np.isnan(row["changed_deviation"])


def test_the_table_has_rows_for_the_few_images_and_for_all() -> None:
    rng = np.random.default_rng(1)
    signs = {
        part: {5: rng.integers(-1, 2, (6, count, 40)).astype(np.int8)} for part, count in (("nose", 1), ("random", 3))
    }
    rows = {
        (row["part"], row["set"]): row
        for row in correspondence.table(signs, correspondence.pairs(signs), 3).to_dict("records")
    }
    assert len(rows) == 4
    assert rows["nose", "few"]["pairs"] == 3 and rows["nose", "all"]["pairs"] == 15
    expected, *_ = slow(signs["random"][5][:3])
    assert rows["random", "few"]["mean"] == pytest.approx(np.mean(expected))
    assert rows["random", "few"]["deviation"] == pytest.approx(np.std(expected, ddof=1))
    assert rows["random", "all"]["changed"] == pytest.approx((signs["random"][5] != 0).mean())


def test_pairs_are_those_of_the_table() -> None:
    rng = np.random.default_rng(2)
    signs = {part: {5: rng.integers(-1, 2, (5, 2, 40)).astype(np.int8)} for part in ("nose", "random")}
    pairs = correspondence.pairs(signs)
    assert len(pairs) == 2 * 10
    row = pairs.query("part == 'nose' and one == 1 and other == 3").iloc[0]
    differ = [np.mean(signs["nose"][5][1, mask] != signs["nose"][5][3, mask]) for mask in range(2)]
    assert row["distance"] == pytest.approx(np.mean(differ))
    for row in correspondence.table(signs, pairs, 3).query("set == 'all'").to_dict("records"):
        found = [one["distance"] for one in pairs.to_dict("records") if one["part"] == row["part"]]
        assert sum(found) / len(found) == pytest.approx(row["mean"])
