"""Test the measures of features against plain loops, and what must hold of the measures."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from zfpipe.probes import features

CROP, SIDE = 20, 8


def layer(seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return four maps with four tiles each.

    Map 2 is dead, map 3 fires on two images, and windows overhang the borders.
    """
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame([{"layer": 2, "map": number, "rank": rank} for number in (0, 2, 3, 7) for rank in range(4)])
    rows["activation"] = 1.0
    rows.loc[rows["map"] == 2, "activation"] = 0.0
    rows.loc[(rows["map"] == 3) & (rows["rank"] > 1), "activation"] = 0.0
    for axis in ("x", "y"):
        rows[f"{axis}0"] = generator.integers(-3, CROP - 5, len(rows))
        rows[f"{axis}1"] = rows[f"{axis}0"] + SIDE
    projections = generator.normal(0, 1e-3, (4, 4, SIDE, SIDE, 3)).astype(np.float32)
    projections[0] += generator.normal(0, 2e-3, (SIDE, SIDE, 3))  # the tiles of map 0 are alike
    return rows, projections, generator.integers(0, 256, (4, 4, SIDE, SIDE, 3)).astype(np.uint8)


def pearson(one: np.ndarray, other: np.ndarray, row: "pd.Series", twin: "pd.Series") -> float:
    """Return the correlation over the pixels that lie inside both images, collected pixel by pixel."""
    pairs = [
        (one[y, x], other[y, x])
        for y in range(SIDE)
        for x in range(SIDE)
        if all(0 <= a["y0"] + y < CROP and 0 <= a["x0"] + x < CROP for a in (row, twin))
    ]
    left, right = (np.concatenate([pair[side] for pair in pairs]).astype(float) for side in (0, 1))
    return float(np.corrcoef(left, right)[0, 1])


def finer(tile: np.ndarray, row: dict[Any, int]) -> np.ndarray:
    """Return each pixel inside the image minus the weighted mean of all pixels inside the image."""
    places = [
        (y, x) for y in range(SIDE) for x in range(SIDE) if 0 <= row["y0"] + y < CROP and 0 <= row["x0"] + x < CROP
    ]
    found = np.zeros(tile.shape)
    for y, x in places:
        weights = [np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * 2.0**2)) for v, u in places]
        found[y, x] = tile[y, x] - np.average([tile[place] for place in places], axis=0, weights=weights)
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_likenesses_equal_plain_loops(seed: int) -> None:
    rows, projections, patches = layer(seed)
    found = features.alikeness(rows, projections, patches, CROP).set_index("map")
    assert found.index.tolist() == [0, 3, 7], "dead maps must be left out"
    lines = [rows.iloc[start : start + 4].to_dict("records") for start in range(0, 16, 4)]
    firing = {0: range(4), 3: range(2), 7: range(4)}
    place = {0: 0, 3: 2, 7: 3}
    following = {0: 3, 3: 7, 7: 0}
    for number, tiles in firing.items():
        at, other = place[number], place[following[number]]
        pairs = [(i, j) for i in tiles for j in tiles if i < j]
        fine = []
        for name, array in (("projections", projections), ("patches", patches)):
            plain = [pearson(array[at, i], array[at, j], lines[at][i], lines[at][j]) for i, j in pairs]
            assert found.loc[number, name] == pytest.approx(np.mean(plain), abs=1e-6)
            less = {i: finer(array[at, i].astype(float), lines[at][i]) for i in tiles}
            fine.append(np.mean([pearson(less[i], less[j], lines[at][i], lines[at][j]) for i, j in pairs]))
        assert found.loc[number, "fine"] == pytest.approx(fine[0] - fine[1], abs=1e-6)
        plain = [
            pearson(projections[at, i], projections[other, j], lines[at][i], lines[other][j])
            for i in tiles
            for j in firing[following[number]]
        ]
        assert found.loc[number, "others"] == pytest.approx(np.mean(plain), abs=1e-6)
    assert np.allclose(found["gap"], found["projections"] - found["patches"])
    assert found.loc[0, "projections"] > 0.6 > abs(found.loc[7, "projections"])


def test_likeness_does_not_depend_on_contrast_or_brightness() -> None:
    rows, projections, patches = layer(0)
    one = features.alikeness(rows, projections, patches, CROP)
    other = features.alikeness(rows, projections * 1e4, (patches // 2 + 100).astype(np.uint8), CROP)
    assert np.allclose(one[["projections", "others"]], other[["projections", "others"]])
    assert np.allclose(one["patches"], other["patches"], atol=0.02)


def test_coarse_brightness_shared_by_patches_hides_the_gap_but_not_the_fine_gap() -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"map": 0, "rank": range(6), "activation": 1.0, "x0": 0, "x1": 16, "y0": 0, "y1": 16})
    shared = rng.normal(0, 1, (16, 16, 3))
    coarse = 12 * np.cos(np.pi * (np.arange(16) + 0.5) / 16)[:, None, None]
    projections = np.stack([shared + rng.normal(0, 1, shared.shape) for _ in range(6)])[None]
    patches = np.stack([coarse + rng.normal(0, 3, shared.shape) for _ in range(6)])[None]
    [found] = features.alikeness(rows, projections, patches, CROP).to_dict("records")
    assert found["gap"] < -0.3 and found["fine"] > 0.3
    [found] = features.alikeness(rows, patches, patches, CROP).to_dict("records")
    assert found["gap"] == found["fine"] == 0


def test_a_flat_tile_has_no_fine_structure() -> None:
    masks = np.random.default_rng(0).random((3, SIDE, SIDE)) < 0.8
    assert not features.fine(np.full((3, SIDE, SIDE, 3), 217, np.uint8), masks).any()


def test_purity_counts_the_most_frequent_class() -> None:
    strongest = pd.DataFrame(
        {
            "layer": 1,
            "map": [0] * 4 + [1] * 4 + [2] * 4,
            "id": range(12),
            "label": [5, 5, 5, 2, 1, 2, 3, 4, 7, 7, 7, 7],
            "activation": [4.0, 3, 2, 1, 4, 3, 0, 0, 0, 0, 0, 0],
        }
    )
    assert features.purity(strongest).to_dict("records") == [
        {"layer": 1, "map": 0, "purity": 0.75},
        {"layer": 1, "map": 1, "purity": 0.5},
    ]


def test_the_summary_of_a_layer() -> None:
    generator = np.random.default_rng(0)
    maps = pd.DataFrame({"layer": 1, "map": np.arange(200), **dict.fromkeys(features.MEASURES, 0.0)})
    maps["purity"] = generator.normal(0.5, 0.1, 200)
    maps.loc[:149, "projections"] = np.nan
    maps.loc[:59, "settled"], maps.loc[60:, "settled"] = np.nan, 4.0
    found = features.summary(maps).set_index("measure")
    purity = found.loc["purity"]
    assert purity["value"] == pytest.approx(maps["purity"].mean())
    assert purity["high"] - purity["low"] == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(200), rel=0.15)
    assert found.loc["projections", "maps"] == 50
    assert found.loc["settled", "value"] == 4.0
    maps.loc[:149, "settled"] = np.nan  # most maps never settle
    assert np.isnan(features.summary(maps).set_index("measure").loc["settled", "value"])
    maps["patches"] = np.nan
    assert features.summary(maps).set_index("measure").loc["patches", "maps"] == 0
