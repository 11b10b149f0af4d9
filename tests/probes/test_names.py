"""Test the names of maps: the scores equal a second computation, pixel by pixel."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests import project
from zfpipe import params, paths
from zfpipe.network import weights
from zfpipe.network.architecture import merged
from zfpipe.network.convnet import ConvNet
from zfpipe.network.receptive_field import ReceptiveField
from zfpipe.probes import names
from zfpipe.subject.subject import Subject
from zfpipe.subject.truth import Truth

PARTS = {"right eye": (30, 30, 40, 38), "left eye": (60, 30, 70, 38), "nose": (46, 50, 56, 56)}
SETTINGS = names.Settings(images=None, top=0.01, least=0.02, permutations=2, seed=0)


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """Return an untrained network and six pictures with parts, at different places in each picture."""
    monkeypatch.chdir(tmp_path)
    project.parameters(pictures={"parts": "parts.csv"})
    lines = ["image,part,x0,y0,x1,y1"]
    for number, path in enumerate(project.draw(Path("pictures"))):
        for part, sides in PARTS.items():
            moved = [side + 2 * number for side in sides]
            lines.append(f"{path},{part},{','.join(map(str, moved))}")
    Path("pictures/parts.csv").write_text("\n".join(lines) + "\n")
    project.prepare(monkeypatch)
    settings = params.load()
    network = weights.untrained(merged(settings.model, {"width": 0.02}), settings.crops.size, 2, seed=3)
    weights.save(network, paths.weights("zfnet"))
    return Subject.open(settings)


def plain(subject: Subject, ids: list[int]) -> pd.DataFrame:
    """Return the intersection over union of every map with eyes and nose, in sets of every second pixel of 96."""
    traces = {}
    for image, batch in subject.each(ids, "plain"):
        with torch.inference_mode():
            traces[image] = list(subject.network.trace(subject.inputs(batch), switches=False))
    concepts = {"eye": ("right eye", "left eye"), "nose": ("nose",)}
    places = {
        name: {
            (image, y, x)
            for image in ids
            for box in (subject.truth.parts(image)[part] for part in parts)
            for y in range(0, subject.crop, 2)
            for x in range(0, subject.crop, 2)
            if box.x0 <= x + 0.5 < box.x1 and box.y0 <= y + 0.5 < box.y1
        }
        for name, parts in concepts.items()
    }
    start, size, jump, found = 0, 1, 1, []
    network = subject.network
    assert isinstance(network, ConvNet)
    for conv in network.architecture.convs:  # computes the middles of the receptive fields a second time
        start, size, jump = start - conv.padding * jump, size + (conv.filter_size - 1) * jump, jump * conv.stride
        middles = [start + unit * jump + size / 2 for unit in range(conv.map_size)]
        for one in range(conv.maps):
            maps = {image: traces[image][conv.layer - 1].rectified[0, one].numpy() for image in ids}
            values = sorted((float(value) for held in maps.values() for value in held.flat), reverse=True)
            limit = values[math.ceil(SETTINGS.top * len(values)) - 1]
            shown = set()
            for image, held in maps.items():
                rows = [np.interp(np.arange(subject.crop) + 0.5, middles, row) for row in held]
                for x, column in list(enumerate(np.array(rows).T))[::2]:
                    tall = np.interp(np.arange(subject.crop) + 0.5, middles, column)
                    high = (y for y in range(0, subject.crop, 2) if tall[y] >= limit - 1e-6 and tall[y] > 0)
                    shown |= {(image, y, x) for y in high}
            entry: dict[str, float] = {"layer": conv.layer, "map": one}
            for name, place in places.items():
                entry[name] = len(shown & place) / len(shown | place)
            found.append(entry)
        if conv.pool:
            size, jump = size + (conv.pool.size - 1) * jump, jump * conv.pool.stride
    return pd.DataFrame(found)


def test_scores_are_those_of_sets_of_pixels(subject: Subject) -> None:
    found = names.run(subject, SETTINGS)["maps.csv"]
    with subject.batches() as batches:
        expected = plain(subject, batches.ids.tolist())
    pairs = expected[["eye", "nose"]].to_numpy()
    assert len(found) == len(pairs) and pairs.max() > 0.01
    np.testing.assert_allclose(found["iou"], pairs.max(1), atol=2e-3)  # a pixel at the threshold may be in or out
    clear = np.abs(pairs[:, 0] - pairs[:, 1]) > 0.01
    assert clear.any()
    assert found["concept"].to_numpy()[clear].tolist() == np.array(["eye", "nose"])[pairs.argmax(1)][clear].tolist()


def test_a_part_scores_one_with_itself_and_less_with_parts_of_other_images(subject: Subject) -> None:
    with subject.batches() as batches:
        ids = batches.ids.tolist()
    concepts = names.known(subject, ids)
    assert concepts.names == [("part", "eye"), ("part", "nose")]
    partners = names.shuffled(concepts, SETTINGS)
    assert [sorted(partner["part"].values()) for partner in partners] == [sorted(ids)] * 3
    sums, sizes = names.Sums.none(2, 2, 3), np.zeros(2)
    for image in ids:
        laid = [[("part", one) for one in concepts.places["part"][partner["part"][image]]] for partner in partners]
        own = np.stack([mask.ravel() for _, mask in concepts.places["part"][image]]).astype(float)
        masks = np.stack([mask.ravel() for held in laid for _, (_, mask) in held]).astype(float)
        sums.add(laid, own @ masks.T, own.sum(1))
        sizes += own.sum(1)
    scores = sums.scores(sizes, np.array([0, 0]))
    assert scores[0].tolist() == [[1, 0], [0, 1]]
    assert scores[1:].max() < 1
    table = names.table(1, scores, concepts, SETTINGS)
    assert table["concept"].tolist() == ["eye", "nose"]
    assert table["found"].tolist() == [True, True]


def test_an_image_has_its_own_class_in_any_order(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of a sample of images are sorted, the images of the beton are not."""
    monkeypatch.setattr(Truth, "object", lambda truth, image: np.ones((truth.crop, truth.crop), bool))
    with subject.batches() as batches:
        pairs = zip(batches.ids.tolist(), batches.labels.tolist(), strict=True)
        classes = {image: batches.classes[label] for image, label in pairs}
    for order in (list(classes), list(classes)[::-1], sorted(classes)):
        concepts = names.known(subject, order)
        found = {image: concepts.names[held[0][0]] for image, held in concepts.places["class"].items()}
        assert found == {image: ("class", name) for image, name in classes.items()}


def test_enlarging_is_linear_between_middles_and_level_beyond() -> None:
    weights_of = names.spread(ReceptiveField(start=-1, size=7, jump=2, seen=20), 5, 20)
    torch.testing.assert_close(weights_of.sum(1), torch.ones(20))
    row = torch.tensor([1.0, 3.0, -2.0, 0.0, 5.0])
    middles = [2.5 + 2 * unit for unit in range(5)]
    expected = np.interp(np.arange(20) + 0.5, middles, row.numpy())
    np.testing.assert_allclose((weights_of @ row).numpy(), expected, atol=1e-6)
    assert names.spread(ReceptiveField(start=-1, size=7, jump=2, seen=96), 45, 96).shape == (48, 45)
