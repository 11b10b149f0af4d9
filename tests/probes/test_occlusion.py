"""Hiding places of an image: the grid, the scores against the truth, and the maps against whole forward passes."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.networks import random_images, small_network
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.params import Deconvnet
from zfpipe.probes import occlusion

SETTINGS = Deconvnet(unpooling="sum", norm="skip")


def test_lengths_go_with_the_crop() -> None:
    assert occlusion.Grid.scaled(40, 24, 224) == occlusion.Grid(40, 24, 224)
    assert occlusion.Grid.scaled(40, 24, 112) == occlusion.Grid(20, 12, 112)
    assert occlusion.Grid.scaled(2, 1, 32) == occlusion.Grid(1, 1, 32)


def test_the_square_is_centred_on_each_place_row_by_row() -> None:
    grid = occlusion.Grid(5, 4, 16)
    assert grid.centres.tolist() == [2, 6, 10, 14]
    occluders = grid.occluders()
    assert occluders.tops.tolist() == [0] * 4 + [4] * 4 + [8] * 4 + [12] * 4
    assert occluders.lefts.tolist() == [0, 4, 8, 12] * 4
    mask = np.zeros((16, 16), bool)
    mask[2, 6] = mask[14, 14] = mask[3, 6] = True
    assert np.flatnonzero(grid.on(mask)).tolist() == [1, 15]


@pytest.mark.parametrize("size", [1, 4, 5, 9, 40])
def test_sums_under_the_square_are_those_counted_one_by_one(size: int) -> None:
    grid = occlusion.Grid(size, 3, 16)
    values = np.random.default_rng(0).random((16, 16))
    slow = []
    for y in grid.centres:
        for x in grid.centres:
            top, left = y - size // 2, x - size // 2
            slow.append(values[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)].sum())
    np.testing.assert_allclose(grid.under(values), slow)


def test_pointing_by_hand() -> None:
    on = np.array([True, True, False, False, False])
    assert occlusion.pointing(np.array([0.5, 0.1, 0.2, 0.0, 0.0]), on) == {
        "hit": 1.0,
        "hit_by_chance": 0.4,
        "overlap": pytest.approx(1 / 3),
        "overlap_by_chance": pytest.approx(chance(5, 2)),
    }
    assert occlusion.pointing(np.array([0.5, 0.1, 0.5, 0.0, 0.0]), on)["hit"] == 0.5, "one of two equal ones"
    assert occlusion.pointing(np.array([3.0, 2.0, 1.0, 0.0, 0.0]), on)["overlap"] == 1
    assert occlusion.pointing(-np.array([3.0, 2.0, 1.0, 0.0, 0.0]), on) | {"hit": 0.0, "overlap": 0.0} == (
        occlusion.pointing(-np.array([3.0, 2.0, 1.0, 0.0, 0.0]), on)
    )


def chance(count: int, size: int) -> float:
    """Of all ways to choose `size` of `count` places, the mean overlap with the first `size`."""
    first = set(range(size))
    ways = [len(first & set(way)) / len(first | set(way)) for way in combinations(range(count), size)]
    return float(np.mean(ways))


@pytest.mark.parametrize(("count", "size"), [(6, 1), (6, 3), (7, 5)])
def test_overlap_by_chance_is_the_mean_over_all_ways(count: int, size: int) -> None:
    on = np.arange(count) < size
    found = occlusion.pointing(np.random.default_rng(0).random(count), on)
    assert found["overlap_by_chance"] == pytest.approx(chance(count, size))


def hidden(activity: np.ndarray, p_true: np.ndarray) -> occlusion.Hidden:
    return occlusion.Hidden(0, 0, 0, 10.0, 0.9, activity, p_true, np.zeros(len(p_true), np.int64))


def test_truth_by_hand() -> None:
    grid = occlusion.Grid(1, 1, 2)
    energy = np.array([[4.0, 0.0], [2.0, 0.0]])
    found = occlusion.truth(
        hidden(np.array([6.0, 10.0, 8.0, 10.0]), np.array([0.1, 0.9, 0.5, 0.8])),
        energy,
        np.array([[True, False], [True, False]]),
        grid,
    )
    assert found is not None
    assert found["on"] == pytest.approx(0.6) and found["off"] == pytest.approx(0.05)
    assert found["hit"] == 1 and found["overlap"] == 1
    assert found["agreement"] == pytest.approx(1), "activity falls by 4, 0, 2, 0 as energy is hidden"
    everywhere = np.ones((2, 2), bool)
    for mask in (everywhere, ~everywhere):
        assert occlusion.truth(hidden(np.ones(4), np.ones(4)), energy, mask, grid) is None


def test_scores_compare_image_by_image() -> None:
    images = pd.DataFrame(
        {"on": [0.5, 0.3, 0.4], "off": [0.1, 0.1, 0.0], "hit": [1.0, 0.0, 1.0], "hit_by_chance": [0.5, 0.25, 0.0],
         "overlap": [0.5] * 3, "overlap_by_chance": [0.5] * 3, "agreement": [0.2, np.nan, 0.4]}
    )  # fmt: skip
    rows = {row["score"]: row for row in occlusion.scores(images).to_dict("records")}
    assert rows["drop"]["value"] == pytest.approx(0.4) and rows["drop"]["against"] == pytest.approx(0.2 / 3)
    assert rows["drop"]["difference"] == pytest.approx(1 / 3)
    assert rows["drop"]["low"] == pytest.approx(0.2) and rows["drop"]["high"] == pytest.approx(0.4)
    assert rows["overlap"]["difference"] == rows["overlap"]["low"] == rows["overlap"]["high"] == 0
    assert rows["agreement"]["images"] == 2 and rows["agreement"]["value"] == pytest.approx(0.3)
    assert occlusion.scores(pd.DataFrame()).empty


def test_hiding_equals_forward_passes_of_the_hidden_images() -> None:
    network = small_network("zfnet")
    network.input_scale = 1 / 64
    image, fill = random_images(1)[0], torch.full((3, 121, 121), 20.0)
    grid = occlusion.Grid(30, 40, 121)
    found = occlusion.hide(network, image, fill, 2, grid)
    with torch.no_grad():
        *_, whole = network.trace(image[None])
        assert whole.rectified.max() == whole.rectified[0, found.map, found.y, found.x]
        assert found.whole_activity == pytest.approx(whole.rectified[0, found.map].sum().item(), rel=1e-5)
        assert found.whole_p_true == pytest.approx(network(image[None]).softmax(1)[0, 2].item(), rel=1e-5)
        for place, (y, x) in enumerate((y, x) for y in grid.centres for x in grid.centres):
            covered = image.clone()
            rows, columns = (slice(max(middle - 15, 0), middle + 15) for middle in (int(y), int(x)))
            covered[:, rows, columns] = 20
            *_, trace = network.trace(covered[None])
            logits = network(covered[None])
            assert found.activity[place] == pytest.approx(trace.rectified[0, found.map].sum().item(), rel=1e-4)
            assert found.p_true[place] == pytest.approx(logits.softmax(1)[0, 2].item(), rel=1e-4)
            assert found.top1[place] == int(logits.argmax())
    energy = occlusion.energy(network, image, found, SETTINGS)
    places = (torch.tensor([place]) for place in (found.map, found.y, found.x))
    pixels, _ = project(network, image[None], Units(5, *places), SETTINGS)
    np.testing.assert_allclose(energy, (pixels[0].double() ** 2).sum(0).numpy(), rtol=1e-5)


def test_the_same_maps_of_other_images_stand_beside() -> None:
    network = small_network("zfnet")
    rows = [{"layer": layer, "map": 3, "id": number, "rank": rank, "y": 1, "x": 2, "activation": 1.0}
            for layer in (4, 5) for rank, number in enumerate((9, 7, 8, 6))]  # fmt: skip
    hidden_image = occlusion.Hidden(3, 0, 1, 1.0, 1.0, np.ones(1), np.ones(1), np.zeros(1, np.int64))
    found = occlusion.units(network, 7, hidden_image, pd.DataFrame(rows), 2)
    assert found[["layer", "map", "id", "y", "x"]].to_numpy().tolist() == [
        [5, 3, 7, 0, 1],
        [5, 3, 9, 1, 2],
        [5, 3, 8, 1, 2],
    ]
