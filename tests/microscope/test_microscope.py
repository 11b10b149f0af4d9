"""Test the library: each answer against a plain computation, what results show, and every mistake in one line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import zfpipe
from tests.anynet.networks import torchvisions
from tests.networks import small_network
from zfpipe import Microscope
from zfpipe.anynet.tape import spread
from zfpipe.drawing.picture import draw
from zfpipe.errors import UserError
from zfpipe.microscope.shown import percentage

PHOTOS = [draw(0, "val", number).pixels for number in range(6)]
SIDE = 64


@pytest.fixture(scope="module")
def resnet() -> Microscope:
    return Microscope(torchvisions("resnet18"), size=SIDE)


@pytest.fixture
def chain() -> Microscope:
    return Microscope(small_network("zfnet"), (0.5, 0.5, 0.5), (1 / 255,) * 3, 121)


def test_the_library_shows_its_names_without_torch() -> None:
    assert zfpipe.__all__ == ["Microscope"]
    with pytest.raises(AttributeError, match="has no attribute 'Telescope'"):
        _ = zfpipe.Telescope  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("which", ["resnet", "chain"])
def test_a_projection_is_that_of_the_strongest_unit(which: str, request: pytest.FixtureRequest) -> None:
    microscope: Microscope = request.getfixturevalue(which)
    layer = microscope.layers[2]
    found = microscope.project(PHOTOS[0], layer, 3)
    maps = microscope.lens.maps(microscope.tensor([PHOTOS[0]]), [layer])[0][layer][0, 3]
    assert found.activation == pytest.approx(maps.max().item(), rel=1e-5)
    assert maps[found.y, found.x] == maps.max()
    assert found.pixels.shape == (microscope.preparation.size,) * 2 + (3,)
    left, top, right, bottom = found.box
    outside = found.pixels.copy()
    outside[top:bottom, left:right] = 0
    assert np.abs(found.pixels).max() > 0
    assert not outside.any(), "the projection leaves the receptive field"
    assert found.patch.shape == found.picture.shape == (bottom - top, right - left, 3)
    elsewhere = microscope.project(PHOTOS[0], layer, 3, (1, 2))
    assert (elsewhere.y, elsewhere.x) == (1, 2)
    assert elsewhere.activation == pytest.approx(maps[1, 2].item(), rel=1e-5)


def test_a_unit_that_sees_more_than_the_photo_has_the_patch_that_its_projection_covers(resnet: Microscope) -> None:
    found = resnet.project(PHOTOS[0], "layer3.0.relu", 5)
    assert max(resnet.receptive_field("layer3.0.relu").size) > SIDE
    some = np.argwhere(found.pixels.any(2))
    (top, left), (bottom, right) = some.min(0), some.max(0) + 1
    assert found.box == (left, top, right, bottom)


@pytest.mark.parametrize("which", ["resnet", "chain"])
def test_the_strongest_images_are_those_of_a_plain_sort(which: str, request: pytest.FixtureRequest) -> None:
    microscope: Microscope = request.getfixturevalue(which)
    layer = microscope.layers[1]
    found = microscope.strongest((photo for photo in PHOTOS * 4), layer, 3)
    maps = microscope.lens.maps(microscope.tensor(PHOTOS), [layer])[0][layer]
    values, places = maps.flatten(2).max(2)
    for map in range(0, maps.shape[1], 3):
        best = int(values[:, map].argmax())
        if values[best, map] > 0:
            assert found.images[map].tolist() == [best, best + 6, best + 12], (
                "among equal images the first must come first"
            )
            assert found.activations[map, 0] == pytest.approx(values[best, map].item(), rel=1e-4)
            assert found.ys[map, 0] * maps.shape[3] + found.xs[map, 0] == places[best, map]
            assert len(found.patches(map)) == 3
    assert set(found.crops) == set(found.images.ravel().tolist())


@pytest.mark.parametrize("which", ["resnet", "chain"])
def test_occlusion_is_the_probability_of_hidden_photos(which: str, request: pytest.FixtureRequest) -> None:
    microscope: Microscope = request.getfixturevalue(which)
    found = microscope.occlude(PHOTOS[1], size=20, stride=16)
    square = microscope.square(PHOTOS[1])
    names = microscope.classify(square, 1)
    assert found.whole == pytest.approx(names[0][1], rel=1e-4)
    for row, y in enumerate(found.ys):
        for column, x in enumerate(found.xs):
            hidden = square.copy()
            hidden[max(0, y - 10) : y + 10, max(0, x - 10) : x + 10] = 128
            shares = microscope.lens.maps(microscope.tensor([hidden]), [])[1].softmax(1)[0]
            assert found.probability[row, column] == pytest.approx(shares[found.target].item(), rel=1e-3, abs=1e-6)
            assert found.best[row, column] == shares.argmax() or shares.topk(2).values.diff().abs() < 1e-4


def test_a_translation_by_zero_has_distance_zero(resnet: Microscope) -> None:
    found = resnet.invariance(PHOTOS[2], "translation", [0, 4])
    plain = resnet.classify(resnet.square(PHOTOS[2]), 1)[0][1]
    assert set(found.distance) == {resnet.layers[0], resnet.layers[-1]}
    for one in found.distance.values():
        assert one[0] == pytest.approx(0, abs=1e-4)
        assert one[1] > 0.01
    assert found.probability[0] == pytest.approx(plain, rel=0.05)
    assert found.probability.shape == (2,)


def test_a_look_holds_layers_projections_occlusions_and_classes(resnet: Microscope) -> None:
    look = resnet.look(PHOTOS[3], maps=3, target=7)
    assert [layer.name for layer in look.layers] == ["relu", *(f"layer{one}.1.relu_1" for one in (1, 2, 3, 4))]
    assert all(len(layer.peaks) == 3 for layer in look.layers)
    for layer in look.layers:
        activations = [peak.activation for peak in layer.peaks]
        assert activations == sorted(activations, reverse=True)
        alone = resnet.project(PHOTOS[3], layer.name, layer.peaks[1].map)
        projection = layer.peaks[1].projection
        assert projection is not None
        np.testing.assert_allclose(projection.pixels, alone.pixels, atol=1e-5 * np.abs(alone.pixels).max())
    assert [one.target for one in look.occluded][1] == 7
    assert len(look.classes) == 5
    assert look.classes[0][1] >= look.classes[1][1]


def test_layers_are_spread_over_sizes_and_then_between() -> None:
    assert spread(list("abcdefgh"), [9, 9, 9, 9, 5, 5, 5, 5]) == ["b", "d", "f", "g", "h"]
    assert spread(list("abc"), [3, 2, 1]) == ["a", "b", "c"]
    assert spread(list("abcdefg"), [7, 6, 5, 4, 3, 2, 1]) == ["a", "c", "d", "e", "g"]


def test_every_result_shows_a_picture_or_a_page(resnet: Microscope) -> None:
    for one in (resnet.project(PHOTOS[0], "relu", 0), resnet.occlude(PHOTOS[0], stride=32)):
        assert one._repr_png_().startswith(b"\x89PNG")
    for one in (
        resnet.strongest(PHOTOS[:2], "relu", 2),
        resnet.look(PHOTOS[0], ["relu"], 2),
        resnet.invariance(PHOTOS[0]),
    ):
        assert "<" in one._repr_html_()


def test_classes_are_found_by_number_name_or_part_of_a_name(resnet: Microscope) -> None:
    assert resnet.number("tench", resnet.classes(1000)) == 0
    assert resnet.number("TENCH", resnet.classes(1000)) == 0
    assert resnet.number("3", resnet.classes(1000)) == 3
    assert resnet.number("sulphur-crested", resnet.classes(1000)) == 89
    assert Microscope(nn.Conv2d(3, 2, 1), classes=["a", "b"]).classes(2) == ["a", "b"]
    assert resnet.classes(4) == ["0", "1", "2", "3"]


NONE: Any = None
MISTAKES: list[tuple[Callable[[Microscope], Any], str]] = [
    (lambda m: m.project(PHOTOS[0], "layer1.0.rely", 0), "there is no such layer; .* such as 'layer1.0.relu'"),
    (lambda m: m.project(PHOTOS[0], "relu", 64), "map 64 of layer 'relu'; must be 0 to 63"),
    (lambda m: m.project(PHOTOS[0], "relu", 1, (32, 0)), r"place \(32, 0\) .* within 32 rows and 32 columns"),
    (lambda m: m.strongest([], "relu"), "no images"),
    (lambda m: m.strongest([PHOTOS[0], 3], "relu"), "a int is no photo"),
    (lambda m: m.occlude(PHOTOS[0], 1000), "class 1000; must be a number below 1000 or a name"),
    (lambda m: m.occlude(PHOTOS[0], "tensh"), "class 'tensh'; .* such as tench"),
    (lambda m: m.occlude(PHOTOS[0], size=65), "size = 65, stride = .*; must be 1 to 64 pixels"),
    (lambda m: m.occlude(PHOTOS[0], stride=-1), "stride = -1"),
    (lambda m: m.invariance(PHOTOS[0], NONE), "kind = None; must be one of translation"),
    (lambda _: Microscope(NONE), "network is a NoneType; must be an nn.Module"),
    (lambda m: Microscope(m.network, size=0), "size = 0"),
    (lambda m: Microscope(m.network, mean=(0.5,)), "must be three numbers each"),
    (lambda m: Microscope(m.network, std=(0, 1, 1)), "std above 0"),
    (lambda m: Microscope(m.network, resize=100), "resize no less than size"),
    (lambda _: Microscope(nn.Linear(3, 4)).layers, "Linear can't take an image of 3x224x224"),
    (lambda _: Microscope.trained("zfnet"), "models/zfnet/weights.safetensors not found in .*; train it there"),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_end_in_one_line(
    mistake: Callable[[Microscope], Any],
    words: str,
    resnet: Microscope,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words) as error:
        mistake(resnet)
    assert "\n" not in str(error.value)


def test_the_layers_of_a_chain_are_numbers(chain: Microscope) -> None:
    assert chain.layers == ["1", "2", "3", "4", "5"]
    assert chain.receptive_field(2).size == chain.receptive_field("2").size
    with pytest.raises(UserError, match="layer '6': there is no such layer; must be one of 1, 2, 3, 4, 5"):
        chain.project(PHOTOS[0], 6, 0)


def test_an_unknown_receptive_field_is_refused_in_words() -> None:
    class Grown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.up = nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.up(self.conv(x).relu()).relu()

    microscope = Microscope(Grown(), size=32)
    with pytest.raises(UserError, match="layer 'relu_1': the receptive field is unknown"):
        microscope.receptive_field("relu_1")
    assert microscope.project(PHOTOS[0], "relu_1", 0).patch.size > 0


class Ceilinged(nn.Module):
    """Maps that are the photo's colours, 12 times as strong, under a ReLU6."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1, bias=False), nn.ReLU6(inplace=True)
        nn.init.eye_(self.conv.weight.data[:, :, 0, 0])
        self.conv.weight.data *= 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv(x)).mean((2, 3))


def test_the_strongest_place_under_a_relu6_is_no_tie() -> None:
    photo = np.full((16, 16, 3), 153, np.uint8)  # 0.6 of white: all maps are at the ceiling everywhere
    photo[5, 9, 1] = 255
    other = np.full((16, 16, 3), 204, np.uint8)
    microscope = Microscope(Ceilinged(), (0, 0, 0), (1, 1, 1), 16, resize=16)
    [layer] = microscope.look(photo, ["relu"], maps=1).layers
    [peak] = layer.peaks
    assert (peak.map, peak.y, peak.x) == (1, 5, 9)
    assert peak.activation == pytest.approx(12)
    projection = microscope.project(photo, "relu", 1)
    assert (projection.y, projection.x) == (5, 9)
    strongest = microscope.strongest([photo, other], "relu", 2)
    assert strongest.images.tolist() == [[1, 0], [0, 1], [1, 0]]
    moved = microscope.invariance(photo, "translation", [0, 4])
    assert moved.distance["relu"].tolist() == [0, 0], "what the network hands on is at the ceiling everywhere"


def test_a_guess_is_called_a_guess_and_hiding_that_changes_nothing_is_grey() -> None:
    microscope = Microscope(Ceilinged(), (0, 0, 0), (1, 1, 1), 16, resize=16)
    look = microscope.look(np.full((16, 16, 3), 153, np.uint8), ["relu"])
    assert look.unsure
    [hidden] = look.occluded
    assert not hidden.matters
    sure = replace(hidden, probability=np.where(np.arange(len(hidden.ys)) == 2, 0.1, hidden.probability))
    assert sure.matters
    assert np.ptp(hidden.picture.astype(int), 2).max() < 10 < np.ptp(sure.picture.astype(int), 2).max()


@pytest.mark.parametrize(
    ("share", "words"), [(0.684, "68%"), (0.095, "10%"), (0.0286, "2.9%"), (0.0012, "0.12%"), (0, "0.00%"), (1, "100%")]
)
def test_small_probabilities_keep_their_digits(share: float, words: str) -> None:
    assert percentage(share) == words


def test_words_for_a_field_larger_than_the_photo_explain_the_frame(resnet: Microscope) -> None:
    small, large = resnet.look(PHOTOS[0], ["relu", "layer4"], 1).layers
    assert small.sees == "7 × 7 pixels"
    assert large.sees == "all of the photo; the frame is around what the projection shows"
