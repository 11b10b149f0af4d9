"""Test that occlusion by differences equals whole forward passes of images that a slow twin occludes pixel by pixel."""

import math
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from tests.networks import KINDS, SETTINGS, random_images, small_network
from zfpipe.network.architecture import Architecture, Filters, Pool, sized
from zfpipe.network.convnet import ConvNet
from zfpipe.occlusion import plan
from zfpipe.occlusion.occlusion import Answers, Occlusion
from zfpipe.occlusion.plan import Occluders, Plan

CROP = 121
POOL = Pool(3, 2, ceil=True)
SIZES = [(1, 1), (16, 16), (9, 40), (70, 3), (CROP, CROP), (200, 12)]
"""Heights and widths in pixels."""

OTHERS = {
    "no pooling": [Filters(1, 4, 5, 2, 2, normed=True), Filters(2, 6, 3, 2, 0), Filters(3, 5, 3, 1, 1)],
    "one layer": [Filters(1, 4, 8, 3, 1, POOL, normed=True)],
    "pools without ceil": [
        Filters(1, 4, 7, 2, 3, Pool(3, 2, ceil=False)), Filters(2, 6, 4, 1, 1, Pool(2, 2, ceil=False), normed=True),
        Filters(3, 5, 3, 1, 1),
    ],
    "pools apart": [Filters(1, 4, 6, 4, 5, Pool(2, 3, ceil=False)), Filters(2, 6, 5, 3, 2, Pool(2, 1, ceil=True))],
    "filters apart": [Filters(1, 4, 2, 5, 1), Filters(2, 6, 1, 2, 0, Pool(4, 3, ceil=True), normed=True)],
    "deep": [
        Filters(layer, 4, 3, 1, 1, Pool(2, 2, ceil=False) if layer % 2 == 0 else None) for layer in range(1, 9)
    ],
}  # fmt: skip


def other_network(kind: str) -> ConvNet:
    """Return a network that params.yaml does not offer."""
    architecture: Architecture = sized(OTHERS[kind], {6: 12, 8: 5}, CROP)
    torch.manual_seed(0)
    network = ConvNet(architecture, SETTINGS.model.norm, 0.5, input_scale=0.05)
    for module in (*network.convs.values(), *network.denses.values()):
        weight = module.get_parameter("weight")
        torch.nn.init.normal_(weight, 0, math.sqrt(2 / weight[0].numel()))
        torch.nn.init.normal_(module.get_parameter("bias"), 0, 0.5)
    return network.eval()


def positions(height: int, width: int, count: int = 12, seed: int = 0) -> Occluders:
    """Return occluders in all corners and at random places: inside, at the borders, and overhanging."""
    generator = torch.Generator().manual_seed(seed)
    tops = torch.randint(1 - height, CROP, (count,), generator=generator)
    lefts = torch.randint(1 - width, CROP, (count,), generator=generator)
    tops[:4], lefts[:4] = torch.cartesian_prod(torch.tensor([0, CROP - 1]), torch.tensor([0, CROP - 1])).unbind(1)
    return Occluders(tops, lefts, height, width)


def pictures() -> tuple[Tensor, Tensor]:
    """Return an image, and the pixels of occluders."""
    image, fill = random_images(2, CROP)
    return image, fill


def one_image() -> tuple[Tensor, Tensor]:
    image, fill = pictures()
    return image[None], fill


def one_by_one(network: ConvNet, image: Tensor, fill: Tensor, occluders: Occluders) -> tuple[Tensor, Tensor]:
    """Occlude an image pixel by pixel, and run the network on each copy alone."""
    logits, maps = [], []
    for top, left in zip(occluders.tops.tolist(), occluders.lefts.tolist(), strict=True):
        copy = image.clone()
        for y in range(top, top + occluders.height):
            for x in range(left, left + occluders.width):
                if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                    copy[:, y, x] = fill[:, y, x]
        with torch.no_grad():
            logits.append(network(copy[None]))
            *_, last = network.trace(copy[None])
        maps.append(last.rectified)
    return torch.cat(logits), torch.cat(maps)


def through(view: Occlusion, occluders: Occluders, batch: int = 64) -> tuple[Tensor, Tensor]:
    """Return the answers for one image."""
    return everything(view.answers(Plan(view.network, occluders, batch)))


def whole_passes(view: Occlusion, occluders: Occluders) -> tuple[Tensor, Tensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "WORTHWHILE", -1)
        return through(view, occluders, 16)


def everything(answers: Iterable[Answers], image: int = 0) -> tuple[Tensor, Tensor]:
    batches = list(answers)
    return torch.cat([one.logits[image] for one in batches]), torch.cat([one.maps[image] for one in batches])


def assert_same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], share: float = 1e-5) -> None:
    """Compare up to this share of the largest logit, and of the largest activation."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=share * other.abs().max().item())


def by_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute by differences, however little is gained."""
    monkeypatch.setattr(plan, "WORTHWHILE", math.inf)


@pytest.mark.parametrize("size", [(7, 7), (5, 24)], ids=str)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_occlusion_equals_the_slow_twin(kind: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    by_differences(monkeypatch)
    network, (image, fill), occluders = small_network(kind), pictures(), positions(*size)
    expected = one_by_one(network, image, fill, occluders)
    view = Occlusion(network, image[None], fill)
    assert_same(whole_passes(view, occluders), expected)
    assert_same(through(view, occluders), expected)
    assert (expected[1] != view.unoccluded.maps).flatten(1).any(1).float().mean() > 0.25, (
        "too few occluders change the maps"
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_differences_equal_whole_passes_for_every_kind_of_network(
    kind: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_differences(monkeypatch)
    view, occluders = Occlusion(small_network(kind), *one_image()), positions(*size, count=40)
    assert_same(through(view, occluders), whole_passes(view, occluders))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_differences_equal_whole_passes_for_other_networks(
    kind: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_differences(monkeypatch)
    view, occluders = Occlusion(other_network(kind), *one_image()), positions(*size, count=40)
    assert_same(through(view, occluders), whole_passes(view, occluders))


def test_differences_are_exact_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    by_differences(monkeypatch)
    view = Occlusion(small_network("zfnet").double(), *(picture.double() for picture in one_image()))
    occluders = positions(16, 16, count=40)
    assert_same(through(view, occluders), whole_passes(view, occluders), share=1e-13)


@pytest.mark.parametrize("batch", [1, 3, 7, 40])
def test_batches_change_nothing_but_rounding(batch: int) -> None:
    view, occluders = Occlusion(small_network("zfnet"), *one_image()), positions(16, 16, count=40)
    batches = list(view.answers(Plan(view.network, occluders, batch)))
    assert [one.logits.shape[1] for one in batches][:-1] == [batch] * ((40 - 1) // batch)
    assert_same(everything(batches), through(view, occluders), share=1e-6)


@pytest.mark.parametrize("kind", ["zfnet", "alexnet"])
def test_unseen_occluders_change_nothing(kind: str) -> None:
    network, (image, fill) = small_network(kind), pictures()
    view = Occlusion(network, image[None], fill)
    tops, lefts = torch.tensor([-16, -90, CROP, CROP + 50, 30, 30]), torch.tensor([5, 5, 5, -99, -16, CROP])
    logits, maps = through(view, Occluders(tops, lefts, 16, 16))
    whole = view.unoccluded
    assert all(torch.equal(one, whole.logits[0]) for one in logits)
    assert all(torch.equal(one, whole.maps[0]) for one in maps)
    torch.testing.assert_close(whole.logits, network(image[None]))
    tops[:3] = lefts[:3] = 40
    logits, maps = through(view, Occluders(tops, lefts, 16, 16))
    assert not torch.equal(maps[0], whole.maps[0]), "the first occluder is seen now"
    assert torch.equal(maps[3], whole.maps[0])
    assert torch.equal(logits[3], whole.logits[0])


def test_an_occluder_between_the_filters_changes_nothing() -> None:
    network, (image, fill) = other_network("filters apart"), pictures()
    view = Occlusion(network, image[None], fill)
    far = torch.tensor([CROP // 2 // 5 * 5 + 2])  # filters see 2 of every 5 pixels, from -1 on
    logits, maps = through(view, Occluders(far, far, 1, 1))
    assert torch.equal(logits, view.unoccluded.logits)
    assert torch.equal(maps, view.unoccluded.maps)
    torch.testing.assert_close(logits, network(image[None]))
    _, maps = through(view, Occluders(far - 10, far - 10, 20, 20))
    assert not torch.equal(maps, view.unoccluded.maps), "the pixels beside must be seen"


def test_filling_with_the_image_changes_nothing(network: ConvNet) -> None:
    image, _ = pictures()
    view = Occlusion(network, image[None], image)
    logits, maps = through(view, positions(16, 16))
    nothing = view.unoccluded
    assert_same((logits, maps), (nothing.logits.expand_as(logits), nothing.maps.expand_as(maps)))


def test_whole_passes_are_used_only_if_they_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    view = Occlusion(small_network("zfnet"), *one_image())
    whole = whole_passes(view, positions(CROP, CROP))
    with monkeypatch.context() as patch:
        patch.setattr(Occlusion, "through_differences", None)
        assert_same(through(view, positions(CROP, CROP)), whole)
    monkeypatch.setattr(Occlusion, "through_images", None)
    through(view, positions(8, 8))


@pytest.mark.parametrize("size", [(16, 16), (CROP, CROP)], ids=["differences", "whole images"])
def test_several_images_share_a_plan(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image gets the answers that it gets alone, whichever images are together.

    The second time nothing is planned.
    """
    network, (*images, fill) = small_network("zfnet"), random_images(5, CROP)
    tops = torch.cat([positions(*size).tops, torch.tensor([-200, 5])])
    lefts = torch.cat([positions(*size).lefts, torch.tensor([5, CROP])])
    occluders = Occluders(tops, lefts, *size)
    given = Plan(network, occluders, batch=12)
    expected = [through(Occlusion(network, image[None], fill), occluders) for image in images]
    for several in ([0, 1, 2], [3]):
        view = Occlusion(network, torch.stack([images[number] for number in several]), fill)
        answers = list(view.answers(given))
        assert answers[0].logits.shape[:2] == (len(several), 12 // len(several))
        for place, number in enumerate(several):
            assert_same(everything(answers, place), expected[number])
            assert torch.equal(answers[-1].logits[place, -1], view.unoccluded.logits[place]), (
                "the last occluder is beside the image"
            )
    monkeypatch.setattr(plan, "spread", None)
    for image, found in zip(images, expected, strict=True):
        assert_same(everything(Occlusion(network, image.expand(3, -1, -1, -1), fill).answers(given)), found)
