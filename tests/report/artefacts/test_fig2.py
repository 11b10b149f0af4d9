from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults, words
from zfpipe.report.artefacts import fig2
from zfpipe.report.engine import style, tiles

FIELDS = {1: 7, 2: 27, 4: 107}
MAPS = [0, 3, 17, 20, 21]
DEAD = {(1, 17), (4, 3)}


def made(
    fields: dict[int, int] = FIELDS, maps: list[int] = MAPS, ranks: int = 9, name: str = "daisy", crop: int = 96
) -> dict[str, Any]:
    """Return maps whose strongest images, except the last two, show one class. Two maps are dead."""
    rng, rows, data = np.random.default_rng(0), [], {}
    for layer, side in fields.items():
        data[f"layer{layer}.npy"] = rng.normal(0, 1, (len(maps), ranks, side, side, 3))
        data[f"layer{layer}_patches.npy"] = rng.integers(0, 256, (len(maps), ranks, side, side, 3), np.uint8)
        for number in maps:
            for rank in range(ranks):
                x0, y0 = rng.integers(-side // 2, crop - side // 2, 2).tolist()
                rows.append(
                    {"layer": layer, "map": number, "rank": rank, "class": name if rank < ranks - 2 else f"{rank}",
                     "activation": 0.0 if (layer, number) in DEAD else 10.0 - rank,
                     "x0": x0, "x1": x0 + side, "y0": y0, "y1": y0 + side}
                )  # fmt: skip
    return data | {"projections.parquet": pd.DataFrame(rows).sample(frac=1, random_state=0)}


def draw(data: dict[str, Any], crop: int = 96) -> Figure:
    with style.context():
        return fig2.draw(data, style.Drawing(99.5, crop))


@pytest.mark.parametrize(
    ("data", "crop"),
    [
        (made(), 96),
        (made({2: 27, 3: 75, 5: 195}, [1000, 4000, 4001], 9, "Wire-haired pointing griffon WWWW", 224), 224),
        (made({1: 7}, [5], 5), 96),
        (made({5: 139}, [7], 1), 64),
    ],
)
def test_every_word_can_be_read_and_every_layer_is_its_strip(data: dict[str, Any], crop: int) -> None:
    figure = draw(data, crop)
    assert faults(figure) == []
    height = figure.bbox.height
    bands = figure.subfigs[1:]
    found = fig2.strips(data, style.Drawing(99.5, crop))
    assert len(found) == len(bands)
    for (title, top, rows), band in zip(found, bands, strict=True):
        assert band.get_suptitle() == title
        assert (height - band.bbox.y1, band.bbox.height) == pytest.approx((top, rows), abs=0.01)
    assert found[-1][1] + found[-1][2] == round(height)


def test_layers_maps_and_their_classes_are_named() -> None:
    found = [text.get_text() for text in words(draw(made()))]
    assert [word for word in found if word.startswith("Layer")] == ["Layer 1", "Layer 2", "Layer 4"]
    assert "each tile is 107 × 107 pixels of an image" in found and any("its 9 strongest" in word for word in found)
    for number in MAPS:
        assert found.count(f"map {number}") == len(FIELDS)
    assert found.count("dead") == len(DEAD)
    assert found.count("daisy 7 of 9") == 2 * len(MAPS) - 1, "layer 1, whose tiles are small, must not name classes"


def pairs(data: dict[str, Any], layer: int) -> dict[int, tuple[pd.DataFrame, np.ndarray]]:
    """Return each map's rows, and the map's pixels in the drawn figure."""
    table = data["projections.parquet"].query("layer == @layer")
    figure = draw(data)
    band = figure.subfigs[1:][sorted(FIELDS).index(layer)]
    placed = [artist.pixels[..., :3] for artist in band.findobj(tiles.Placed) if isinstance(artist, tiles.Placed)]
    return {number: (table.query("map == @number"), pixels) for number, pixels in zip(MAPS, placed, strict=True)}


def test_each_map_stands_beside_its_own_patches_pixel_for_pixel() -> None:
    data = made()
    rows, pair = pairs(data, 1)[3]
    rows, size = rows.set_index("rank"), 35
    step, right = size + tiles.GAP, pair.shape[1] - 3 * (size + tiles.GAP) + tiles.GAP
    for rank in range(9):
        y, x = rank // 3 * step, rank % 3 * step
        seen = tiles.visible(rows.loc[rank, ["x0", "y0", "x1", "y1"]].to_numpy(), 96)
        shown = tiles.contrast(data["layer1.npy"][1, rank], seen, 99.5)
        for left, expected in ((0, shown), (right, data["layer1_patches.npy"][1, rank])):
            tile = pair[y : y + size, left + x : left + x + size][2::5, 2::5]
            assert (tile[seen] == expected[seen]).all() and (tile[~seen] == tiles.PAPER).all()


def test_dead_maps_and_only_they_are_hatched() -> None:
    data = made()
    for layer in FIELDS:
        for number, (_, pair) in pairs(data, layer).items():
            assert (set(np.unique(pair)) == {tiles.HATCH, tiles.PAPER, 255}) == ((layer, number) in DEAD)


def test_larger_receptive_fields_are_drawn_larger() -> None:
    tile = [fig2.sizes(np.empty((16, 9, field, field, 3), np.uint8))[1] for field in (7, 27, 75, 107, 139)]
    assert tile == [35, 79, 75, 107, 107], "tiles must enlarge by a whole number where that costs little"


def rows(number: int, classes: list[str], activations: list[float] | None = None, layer: int = 1) -> pd.DataFrame:
    strengths = activations or [9.0 - rank for rank in range(len(classes))]
    columns = {"rank": range(len(classes)), "class": classes, "activation": strengths}
    return pd.DataFrame({"layer": layer, "map": number, **columns})


@pytest.mark.parametrize(
    ("classes", "activations", "expected"),
    [
        (["a", "b", "b"], None, ("b", 2, 3)),
        (["b", "a", "a", "b"], None, ("b", 2, 4)),  # of two classes that are as frequent, the stronger one counts
        (["a", "b", "b"], [3.0, 0.0, 0.0], ("a", 1, 1)),
        (["a", "b"], [0.0, 0.0], ("", 0, 0)),
    ],
)
def test_the_tally_counts_the_most_frequent_class(
    classes: list[str], activations: list[float] | None, expected: tuple[str, int, int]
) -> None:
    assert fig2.tally(rows(0, classes, activations).sample(frac=1, random_state=1)) == expected


def test_words_tell_layers_dead_maps_and_the_map_that_agrees_most() -> None:
    table = pd.concat([rows(4, ["a", "b", "c"]), rows(1, ["a", "b", "a"], layer=5), rows(8, ["c"] * 3, layer=5),
                       rows(9, ["c"], [0.0], layer=5)])  # fmt: skip
    data = {"projections.parquet": table}
    found = fig2.alternative(data)
    assert "1 maps of layer 1, 3 maps of layer 5" in found
    assert "In layer 5 the maps agree most on a class in map 8: 3 of its 3 strongest images show c." in found
    assert "1 of the 4 maps never fire" in found
    assert fig2.details(data).rows[-2:] == [
        (5, 8, "c on 3 of its 3 strongest images"),
        (5, 9, "never fires on the validation images"),
    ]
    dead = {"projections.parquet": rows(0, ["a", "b"], [0.0, 0.0])}
    assert "agree" not in fig2.alternative(dead)
