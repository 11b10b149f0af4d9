from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tests.report.artefacts.layout import faults, words
from zfpipe import store, unavailable
from zfpipe.probes import occlusion
from zfpipe.report import ledger
from zfpipe.report.artefacts import fig7
from zfpipe.report.engine import style, tiles
from zfpipe.report.engine.artefact import Folder
from zfpipe.report.engine.claims import Unmeasurable

GIVEN: Any = None
CLASSES = ["daisy", "fox & hound", "stop sign"]
SCORES = ["score", "value", "against", "difference", "low", "high", "images"]


def results(
    crop: int = 96, side: int = 139, count: int = 3, step: int = 5, classes: list[str] = CLASSES, others: int = 3
) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    places = np.arange(step // 2, crop, step)
    y, x = np.repeat(places, len(places)), np.tile(places, len(places))
    positions = [
        pd.DataFrame({"id": 7 + image, "y": y, "x": x, "map_activity": rng.random(len(y)) * 90,
                      "p_true": rng.random(len(y)), "top1": rng.integers(0, len(classes), len(y))})
        for image in range(count)
    ]  # fmt: skip
    masks = np.zeros((count, crop, crop), np.uint8)
    masks[:, crop // 4 : crop // 2, crop // 5 :] = 1
    start = crop // 2 - side // 2 - 5
    arrays = {
        "images": rng.integers(0, 256, (count, crop, crop, 3), np.uint8),
        "masks": masks,
        "projections": rng.normal(0, 1, (count, 1 + others, side, side, 3)).astype(np.float32),
        "patches": rng.integers(0, 256, (count, 1 + others, side, side, 3), np.uint8),
        "boxes": np.tile([start, start + 3, start + side, start + 3 + side], (count, 1 + others, 1)),
    }
    images = [
        {"id": 7 + place, "label": place % len(classes), "map": 30 + place, "activity": 80.0, "p_true": 0.75}
        for place in range(count)
    ]
    described = {"layer": 5, "grey": 128.0, "classes": classes, "images": images,
                 "unprojected": None,
                 "grids": {"all": {"size": 23, "stride": 14}, "shown": {"size": 23, "stride": step}}}  # fmt: skip
    truth = {"on": [0.4, 0.3], "off": [0.1, 0.0], "hit": [1.0, 0.0], "hit_by_chance": [0.2, 0.3], "overlap": [0.5, 0.4],
             "overlap_by_chance": [0.2, 0.2], "beyond": [0.3, 0.3], "beyond_elsewhere": [0.1, 0.2],
             "agreement": [0.6, 0.7], "agreement_null": [0.5, 0.5],
             "p_true": [0.9, 0.8], "p_needed": [0.2, 0.1]}  # fmt: skip
    return {
        "shown.json": described, "shown.parquet": pd.concat(positions).sample(frac=1, random_state=0),
        "shown.safetensors": arrays, "scores.csv": occlusion.scores(pd.DataFrame(truth)),
        "truth.csv": pd.DataFrame({"id": [7, 8], **truth}),
    }  # fmt: skip


def drawn(data: dict[str, Any], crop: int = 96) -> Figure:
    with style.context():
        return fig7.draw(data, style.Drawing(99.5, crop))


LONG = ["Wire-haired pointing griffon of the northern plains", *(f"class {place} of many more" for place in range(19))]


@pytest.mark.parametrize(
    ("crop", "sizes"),
    [
        (96, {}),
        (224, {"crop": 224, "classes": LONG}),
        (64, {"crop": 64, "side": 40, "count": 1, "step": 1, "others": 0}),
        (128, {"crop": 128, "count": 6}),
    ],
)
def test_everything_fits_and_can_be_read(crop: int, sizes: dict[str, Any]) -> None:
    figure = drawn(results(**sizes), crop)
    assert faults(figure) == []
    panels = [axes.get_window_extent() for axes in figure.axes if axes.images and axes.get_xlim() == (-0.5, crop - 0.5)]
    assert len(panels) == 5 * sizes.get("count", 3)
    assert all(abs(panel.width - panel.height) < 1 and panel.width > fig7.PANEL - 5 for panel in panels)


def test_where_no_object_is_known_the_figure_says_so() -> None:
    data = results() | {"scores.csv": pd.DataFrame(columns=SCORES)}
    data["shown.safetensors"]["masks"][:] = 0
    figure = drawn(data)
    assert faults(figure) == []
    found = [text.get_text() for text in words(figure)]
    assert any("no image has an object box or mask" in one for one in found)
    assert "object not known" in found and "object outlined" not in found
    assert "no image has an object box or mask" in fig7.alternative(data)
    assert fig7.details(data).rows[0][1:] == ("–", "–", "–", "–")
    for claim in fig7.CLAIMS:
        with pytest.raises(Unmeasurable, match="fewer than two validation images have an object"):
            claim.measure(data, GIVEN)


def test_where_the_network_can_not_be_projected_the_figure_says_why() -> None:
    data = results()
    data["shown.json"]["unprojected"] = "layer 'a' can't be projected: a (SiLU) is no ReLU"
    data["shown.safetensors"]["projections"][:] = 0
    figure = drawn(data)
    assert faults(figure) == []
    found = [text.get_text().replace("\n", " ") for text in words(figure)]
    assert any("No projections in (c): layer 'a' can't be projected: a (SiLU) is no ReLU." in one for one in found)
    assert found.count("not projected") == 3 and "right: patches of other images" in found
    blank = figure.axes[2].images[0].get_array()
    assert blank is not None and (blank == tiles.PAPER).all(), "grey would be a projection of zero"


def test_the_object_is_outlined_and_the_square_has_its_true_size() -> None:
    axes = drawn(results()).axes[0]
    [square] = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (square.get_width(), square.get_height()) == (23, 23) and to_hex(square.get_facecolor()) == "#808080"
    assert square.get_x() + 23 < 95.5 and square.get_y() + 23 < 95.5
    [outline] = axes.collections
    corners = np.asarray(outline.get_paths()[0].vertices)
    assert corners.min(0).tolist() == [18.5, 23.5] and corners.max(0).tolist() == [95, 47.5]


def test_heat_is_of_the_nearest_place_and_its_bar_goes_from_zero_to_the_largest() -> None:
    data = results(crop=9, side=5, step=2, count=1)
    rows = data["shown.parquet"]
    rows["p_true"] = (rows["y"] * 9 + rows["x"]) / 100
    figure = drawn(data, 9)
    [axes] = [axes for axes in figure.axes if axes.get_xlabel() == "unhidden: 0.75"]
    shown = np.asarray(axes.images[0].get_array())
    assert shown[4, 7] == pytest.approx((5 * 9 + 7) / 100) and shown[5, 6] == shown[4, 7] and shown[8, 8] == shown[7, 7]
    assert axes.images[0].get_clim() == (0, 1)
    [activity] = [axes for axes in figure.axes if axes.get_xlabel() == "map 30"]
    assert activity.images[0].get_clim() == (0, max(80.0, rows["map_activity"].max()))


def test_a_projection_lies_where_its_unit_looks() -> None:
    data = results(crop=96, side=60)
    arrays = data["shown.safetensors"]
    arrays["boxes"][0, 0] = [-10, 70, 50, 130]
    own, others = fig7.projections(arrays, 0, style.Drawing(99.5, 96))
    expected = tiles.contrast(arrays["projections"][0, 0], tiles.visible([-10, 70, 50, 130], 96), 99.5)
    assert np.array_equal(own[70:, :50], expected[:26, 10:])
    assert (own[:70] == tiles.PAPER).all() and (own[:, 50:] == tiles.PAPER).all()
    assert others.shape == (3 * fig7.SMALL + 2 * tiles.GAP, 2 * fig7.SMALL + tiles.GAP, 3)


def test_the_legend_names_every_colour() -> None:
    data = results(count=1, classes=[f"c{place}" for place in range(8)])
    data["shown.parquet"]["top1"] = [1] * 200 + [2] * 100 + [3] * 30 + [4] * 20 + [5] * 7 + [6] * 4
    figure = drawn(data)
    [legend] = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    entries = zip(legend.get_texts(), legend.get_patches(), strict=True)
    keys = {text.get_text(): to_hex(patch.get_facecolor()) for text, patch in entries}
    assert list(keys) == ["c0", "c1", "c2", "c3", "c4", "2 others"], (
        "the true class must come first, though it is never the answer"
    )
    shown = np.asarray(legend.axes.images[0].get_array())
    labels = data["shown.parquet"].set_index(["y", "x"])["top1"]
    for y, x in ((2, 2), (47, 52), (92, 92), (12, 87)):
        assert to_hex(shown[y, x]) == keys[f"c{labels[y, x]}" if labels[y, x] < 5 else "2 others"]


def test_words_table_and_claims_state_the_same_numbers() -> None:
    data = results()
    drop = fig7.scores(data)["drop"][2]
    rows = {row[0]: row[1:] for row in fig7.details(data).rows}
    assert rows["Fall of the true class's probability"] == ("0.350", "0.050", drop.text(3), "2")
    sentences = fig7.sentences(data)
    assert sentences[0] == (
        "Fall of the true class's probability: 0.350 (square on the object), 0.050 (off it); difference 0.300 (0.300 "
        "to 0.300), 2 images"
    )
    assert sentences[1] == (
        "Its fall on the object minus off it: 0.300 (this image's object), 0.150 (other images' objects); "
        "difference 0.150 (0.100 to 0.200), 2 images"
    )
    assert sentences[4].endswith(
        "hidden energy: 0.650 (its projection), 0.500 (any projection); difference 0.150 (0.100 to 0.200), 2 images"
    )
    found = {text.get_text() for text in words(drawn(data))}
    assert any(all(sentence in text for sentence in sentences) for text in found)
    assert all(sentence in fig7.alternative(data) for sentence in sentences)
    assert "daisy: probability 0.75, at worst 0.00 when hidden" in fig7.alternative(data)
    for claim, score in zip(fig7.CLAIMS, ("drop_beyond", "agreement"), strict=True):
        assert claim.measure(data, GIVEN) == [fig7.scores(data)[score][2]]


@pytest.mark.parametrize(("middle", "verdict"), [(0.3, "holds"), (-0.3, "does not hold"), (0.0, "undecided")])
def test_claims_turn_with_what_is_measured(middle: float, verdict: str) -> None:
    scores = {"drop": -9, "drop_beyond": middle, "agreement": middle, "known": 0.5}
    rows = [[score, 0.5, 0.2, found, found - 0.1, found + 0.1, 9] for score, found in scores.items()]
    data = {"scores.csv": pd.DataFrame(rows, columns=SCORES)}
    for claim in fig7.CLAIMS:
        assert ledger.judged(claim, data, GIVEN)[0]["verdict"] == verdict


@pytest.mark.parametrize("known", [-0.3, 0.0])
def test_a_network_that_does_not_know_the_images_supports_no_claim_on_where_it_looks(known: float) -> None:
    scores = {"drop_beyond": 0.5, "agreement": 0.5, "known": known}
    rows = [[score, 0.5, 0.2, found, found - 0.1, found + 0.1, 9] for score, found in scores.items()]
    data = {"scores.csv": pd.DataFrame(rows, columns=SCORES)}
    looks, structure = (ledger.judged(claim, data, GIVEN)[0] for claim in fig7.CLAIMS)
    assert looks["verdict"] == "not measurable here" and "a tenth of the way" in looks["reason"]
    assert structure["verdict"] == "holds"


def test_without_results_claims_say_why(tmp_path: Path) -> None:
    store.save(tmp_path / unavailable.NAME, "a reason\n")
    with pytest.raises(Unmeasurable, match="a reason"):
        fig7.CLAIMS[0].measure(Folder(tmp_path, "occlusion"), GIVEN)
