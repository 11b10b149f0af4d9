"""Test occlusion: the grid, the scores against the truth, and the maps against whole forward passes."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import CROP, SETTINGS, SIZE, label_of
from tests.networks import random_images, small_network
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.evaluation.predictions import Predictions
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet
from zfpipe.network.receptive_field import receptive_field
from zfpipe.probes import hiding, occlusion
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.sections import Deconvnet
from zfpipe.subject.subject import Subject
from zfpipe.subject.truth import Truth

DOWN = Deconvnet(unpooling="sum", norm="skip")


def test_lengths_go_with_the_crop() -> None:
    assert hiding.Grid.scaled(40, 24, 224) == hiding.Grid(40, 24, 224)
    assert hiding.Grid.scaled(40, 24, 112) == hiding.Grid(20, 12, 112)
    assert hiding.Grid.scaled(2, 1, 32) == hiding.Grid(1, 1, 32)


def test_the_square_is_centred_on_each_place_row_by_row() -> None:
    grid = hiding.Grid(5, 4, 16)
    assert grid.centres.tolist() == [2, 6, 10, 14]
    occluders = grid.occluders()
    assert occluders.tops.tolist() == [0] * 4 + [4] * 4 + [8] * 4 + [12] * 4
    assert occluders.lefts.tolist() == [0, 4, 8, 12] * 4
    mask = np.zeros((16, 16), bool)
    mask[2, 6] = mask[14, 14] = mask[3, 6] = True
    assert np.flatnonzero(grid.on(mask)).tolist() == [1, 15]


@pytest.mark.parametrize("size", [1, 4, 5, 9, 40])
def test_sums_under_the_square_equal_a_plain_sum(size: int) -> None:
    grid = hiding.Grid(size, 3, 16)
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
    assert occlusion.pointing(np.array([0.5, 0.1, 0.5, 0.0, 0.0]), on)["hit"] == 0.5, (
        "one of the two largest values is on the object"
    )
    assert occlusion.pointing(np.array([3.0, 2.0, 1.0, 0.0, 0.0]), on)["overlap"] == 1
    assert occlusion.pointing(-np.array([3.0, 2.0, 1.0, 0.0, 0.0]), on) | {"hit": 0.0, "overlap": 0.0} == (
        occlusion.pointing(-np.array([3.0, 2.0, 1.0, 0.0, 0.0]), on)
    )


def chance(count: int, size: int) -> float:
    """Return the mean overlap of all choices of `size` of `count` places with the first `size` places."""
    first = set(range(size))
    ways = [len(first & set(way)) / len(first | set(way)) for way in combinations(range(count), size)]
    return float(np.mean(ways))


@pytest.mark.parametrize(("count", "size"), [(6, 1), (6, 3), (7, 5)])
def test_overlap_by_chance_is_the_mean_over_all_ways(count: int, size: int) -> None:
    on = np.arange(count) < size
    found = occlusion.pointing(np.random.default_rng(0).random(count), on)
    assert found["overlap_by_chance"] == pytest.approx(chance(count, size))


def hidden(activity: np.ndarray, p_true: np.ndarray) -> hiding.Hidden:
    return hiding.Hidden(0, 0, 0, 10.0, 0.9, activity, p_true, np.zeros(len(p_true), np.int64))


class Known(Truth):
    """Hold the places of objects, given in advance."""

    def __init__(self, masks: dict[int, np.ndarray]):
        self.masks = masks

    def object(self, image: int) -> np.ndarray | None:
        return self.masks.get(image)


LEFT, TOP = np.array([True, False, True, False]), np.array([True, True, False, False])
"""Places of a 2 x 2 grid: the left column and the top row."""


def test_truth_by_hand() -> None:
    energy = np.array([[4.0, 0.0], [2.0, 0.0]])
    said = hidden(np.array([6.0, 10.0, 8.0, 10.0]), np.array([0.1, 0.9, 0.5, 0.8]))
    found = occlusion.truth(said, energy, LEFT, [TOP, LEFT], hiding.Grid(1, 1, 2))
    assert found["on"] == pytest.approx(0.6) and found["off"] == pytest.approx(0.05)
    assert found["beyond"] == pytest.approx(0.55)
    assert found["beyond_elsewhere"] == pytest.approx(((0.4 - 0.25) + 0.55) / 2)
    assert found["hit"] == 1 and found["overlap"] == 1 and found["p_true"] == 0.9
    assert found["agreement"] == pytest.approx(1), "activity falls by 4, 0, 2, 0 as energy is hidden"
    assert np.isnan(occlusion.truth(said, energy, LEFT, [], hiding.Grid(1, 1, 2))["beyond_elsewhere"])


def test_images_whose_object_is_everywhere_or_nowhere_are_left_out() -> None:
    masks = {1: LEFT, 2: LEFT | True, 3: LEFT & False, 4: TOP}
    known = Known({image: mask.reshape(2, 2) for image, mask in masks.items()})
    found = occlusion.on_and_off(known, [4, 3, 2, 1], hiding.Grid(1, 1, 2))
    assert list(found) == [4, 1] and found[1].tolist() == LEFT.tolist()


def test_the_nulls_of_an_image_are_the_objects_of_the_next_images() -> None:

    def after(*images: int) -> dict[int, list[int]]:
        places = {image: np.arange(12) == image for image in images}
        return {image: [int(on.argmax()) for on in found] for image, found in occlusion.following(places).items()}

    assert after(5, 3, 9) == {5: [3, 9], 3: [9, 5], 9: [5, 3]}
    assert after(*range(12))[7] == [8, 9, 10, 11, 0, 1, 2, 3, 4, 5]
    assert after(5) == {5: []} and after() == {}


def test_the_typical_projection_is_the_mean_of_shifted_projections() -> None:
    """Compare with a plain loop over pixels."""
    network = small_network("zfnet")
    crop, side = network.architecture.crop, network.architecture.convs[-1].map_size
    jump = receptive_field(network.architecture, 5).jump
    random, typical = np.random.default_rng(0), occlusion.Typical(network)
    units = [(0, 0), (side - 1, 1), (2, side - 1), (side - 1, side - 1)]
    energies = [random.random((crop, crop)) * scale for scale in (1, 30, 0.2, 0)]
    for energy, unit in zip(energies, units, strict=True):
        typical.add(energy, *unit)
    for y, x in units:
        slow = np.zeros((crop, crop))
        for energy, (top, left) in zip(energies[:3], units, strict=False):
            down, right = (y - top) * jump, (x - left) * jump
            for row in range(max(down, 0), min(crop, crop + down)):
                for column in range(max(right, 0), min(crop, crop + right)):
                    slow[row, column] += energy[row - down, column - right] / energy.sum()
        np.testing.assert_allclose(typical.around(y, x), slow, atol=1e-12)


def test_scores_compare_image_by_image() -> None:
    images = pd.DataFrame(
        {"on": [0.5, 0.3, 0.4], "off": [0.1, 0.1, 0.0], "hit": [1.0, 0.0, 1.0], "hit_by_chance": [0.5, 0.25, 0.0],
         "overlap": [0.5] * 3, "overlap_by_chance": [0.5] * 3, "agreement": [0.2, np.nan, 0.4],
         "agreement_null": [0.1, 0.0, 0.2], "beyond": [0.4, 0.2, 0.4], "beyond_elsewhere": [0.4, 0.1, np.nan],
         "p_true": [0.9, 0.8, 0.7], "p_needed": [0.2, 0.1, 0.0]}
    )  # fmt: skip
    rows = {row["score"]: row for row in occlusion.scores(images).to_dict("records")}
    assert list(rows) == list(occlusion.SCORES)
    assert rows["drop"]["value"] == pytest.approx(0.4) and rows["drop"]["against"] == pytest.approx(0.2 / 3)
    assert rows["drop"]["difference"] == pytest.approx(1 / 3)
    assert rows["drop"]["low"] == pytest.approx(0.2) and rows["drop"]["high"] == pytest.approx(0.4)
    assert rows["overlap"]["difference"] == rows["overlap"]["low"] == rows["overlap"]["high"] == 0
    assert rows["agreement"]["images"] == 2 and rows["agreement"]["value"] == pytest.approx(0.3)
    assert rows["agreement"]["difference"] == pytest.approx(0.15)
    assert rows["drop_beyond"]["images"] == 2 and rows["drop_beyond"]["difference"] == pytest.approx(0.05)
    assert rows["known"]["difference"] == pytest.approx(0.7)
    assert occlusion.scores(pd.DataFrame()).empty


IDS = list(range(0, 100, 5))
FEW = SETTINGS.occlusion.model_copy(update={"shown": 2, "stride": 40, "shown_stride": 60})


@pytest.fixture
def subject(beton: Path, inputs: MeanSubtraction) -> Subject:
    """Return a network with random weights, and images of which a fifth have an object, each at another place."""
    network = weights.untrained(merged(SETTINGS.model, {"width": 0.03}), CROP, 25, seed=3).eval()
    found = Subject(network, inputs, beton, beton.with_name("index.parquet"), CROP, SIZE, SETTINGS.model.init, 0)
    masks = {}
    for image, (y, x) in zip(IDS, np.random.default_rng(0).integers(0, CROP - 25, (len(IDS), 2)), strict=True):
        masks[image] = np.zeros((CROP, CROP), bool)
        masks[image][y : y + 25, x : x + 25] = True
    for one in (found, found.untrained):
        known = Known(masks)
        known.crop = CROP
        one.__dict__["truth"] = known
    return found


def run(subject: Subject) -> dict[str, Any]:
    labels = np.array([label_of(image) for image in range(100)])
    predictions = Predictions(np.arange(100), labels, np.eye(25, dtype=np.float32)[labels])
    convs = subject.network.architecture.convs[-1]
    strongest = [{"layer": 5, "map": number, "id": image, "rank": rank, "y": 0, "x": 0, "activation": 1.0}
                 for number in range(convs.maps) for rank, image in enumerate((0, 5))]  # fmt: skip
    return occlusion.run(subject, predictions, pd.DataFrame(strongest), FEW, DOWN) or pytest.fail("nothing")


def test_the_scores_of_each_image_and_its_nulls_equal_plain_loops(subject: Subject) -> None:
    """The loops keep all energies in memory."""
    found = run(subject)["truth.csv"].set_index("id")
    assert sorted(found.index) == IDS
    crops = subject.images(set(IDS))
    grid = hiding.Grid.scaled(FEW.size, FEW.stride, CROP)
    fill = subject.inputs.grey(FEW.grey)
    order = [image for image in np.random.default_rng(FEW.seed).permutation(np.arange(100)).tolist() if image in IDS]
    seen = {}
    for image in IDS:
        pixels = subject.inputs(crops.batch([image]))
        [one] = hiding.hide(subject.network, pixels, fill, [label_of(image)], hiding.planned(subject.network, grid))
        seen[image] = (one, hiding.energy(subject.network, pixels[0], one, DOWN))
        with torch.no_grad():
            known = subject.untrained.network(pixels).softmax(1)[0, label_of(image)].item()
        assert found.loc[image, "p_needed"] == pytest.approx(known + 0.1 * (1 - known), rel=1e-4)
        assert found.loc[image, "p_true"] == pytest.approx(one.whole_p_true)
        after = [order[(order.index(image) + step) % len(order)] for step in range(1, 11)]
        on = [grid.on(subject.truth.mask(other)) for other in (image, *after)]
        beyond = [one.drop[places].mean() - one.drop[~places].mean() for places in on]
        assert found.loc[image, "beyond"] == pytest.approx(beyond[0], abs=1e-6)
        assert found.loc[image, "beyond_elsewhere"] == pytest.approx(np.mean(beyond[1:]), abs=1e-6)
    jump = receptive_field(subject.network.architecture, 5).jump
    for image, (one, _) in seen.items():
        general = np.zeros((3 * CROP, 3 * CROP))
        for other, energy in seen.values():
            top, left = CROP + (one.y - other.y) * jump, CROP + (one.x - other.x) * jump
            general[top : top + CROP, left : left + CROP] += energy / energy.sum() / len(IDS)
        null = np.corrcoef(one.lost, grid.under(general[CROP:-CROP, CROP:-CROP]))[0, 1]
        assert found.loc[image, "agreement_null"] == pytest.approx(null, abs=1e-4)


@pytest.mark.parametrize(("place", "holds"), [("object", True), ("middle", False)])
def test_only_a_fall_at_the_images_own_object_counts(
    subject: Subject, place: str, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fall in the middle of every image does not count, although the middle often holds the object."""
    plain = occlusion.hide
    middle = np.zeros((CROP, CROP), bool)
    middle[16:48, 16:48] = True
    crops = subject.images(set(IDS))
    inputs = {image: subject.inputs(crops.batch([image]))[0] for image in IDS}

    def planted(network: ConvNet, images: torch.Tensor, *given: Any) -> list[hiding.Hidden]:
        [known] = [number for number, pixels in inputs.items() if torch.equal(pixels, images[0])]
        [found] = plain(network, images, *given)
        grid = hiding.Grid.scaled(FEW.size, FEW.stride, CROP)
        on = grid.on(subject.truth.mask(known) if place == "object" else middle)
        p_true = np.where(on, 0.2, 0.8) if len(on) == len(found.p_true) else found.p_true
        return [hiding.Hidden(**{**vars(found), "whole_p_true": 0.9, "p_true": p_true})]

    monkeypatch.setattr(occlusion, "hide", planted)
    rows = run(subject)["scores.csv"].set_index("score")
    assert rows.loc["known", "low"] > 0
    assert (rows.loc["drop_beyond", "low"] > 0) == holds


def test_an_untrained_network_does_not_know_the_images(subject: Subject) -> None:
    """The network's probability is no nearer to 1 than its own, so that nothing is said of where the network looks."""
    rows = run(subject.untrained)["scores.csv"].set_index("score")
    assert rows.loc["known", "high"] < 0
    assert rows.loc["known", "against"] == pytest.approx(0.9 * rows.loc["known", "value"] + 0.1, rel=1e-4)


def test_hiding_equals_forward_passes_of_the_hidden_images() -> None:
    network = small_network("zfnet")
    network.input_scale = 1 / 64
    image, fill = random_images(1)[0], torch.full((3, 121, 121), 20.0)
    grid = hiding.Grid(30, 40, 121)
    [found] = hiding.hide(network, image[None], fill, [2], hiding.planned(network, grid))
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
    energy = hiding.energy(network, image, found, DOWN)
    places = (torch.tensor([place]) for place in (found.map, found.y, found.x))
    pixels, _ = project(network, image[None], Units(5, *places), DOWN)
    np.testing.assert_allclose(energy, (pixels[0].double() ** 2).sum(0).numpy(), rtol=1e-5)


def test_units_of_other_images_are_of_the_same_map() -> None:
    network = small_network("zfnet")
    rows = [{"layer": layer, "map": 3, "id": number, "rank": rank, "y": 1, "x": 2, "activation": 1.0}
            for layer in (4, 5) for rank, number in enumerate((9, 7, 8, 6))]  # fmt: skip
    hidden_image = hiding.Hidden(3, 0, 1, 1.0, 1.0, np.ones(1), np.ones(1), np.zeros(1, np.int64))
    found = occlusion.units(network, 7, hidden_image, pd.DataFrame(rows), 2)
    assert found[["layer", "map", "id", "y", "x"]].to_numpy().tolist() == [
        [5, 3, 7, 0, 1],
        [5, 3, 9, 1, 2],
        [5, 3, 8, 1, 2],
    ]
