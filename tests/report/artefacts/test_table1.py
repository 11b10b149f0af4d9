from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.report.artefacts.made import DRAWN, judged, rows
from zfpipe.report import ledger
from zfpipe.report.artefacts import table1
from zfpipe.report.engine.artefact import Folder
from zfpipe.report.engine.claims import Unmeasurable

FACES = 8


def consistency(layers: tuple[int, ...] = (5, 7)) -> dict[str, Any]:
    found = [
        {"part": part, "layer": layer, "set": faces, "images": images, "pairs": images * (images - 1) // 2,
         "changed": 0.25 + place / 10, "mean": 0.1 * place + 0.01 * layer, "deviation": 0.0125 * images,
         "changed_mean": 0.5, "changed_deviation": 0.25, "changed_pairs": images}
        for place, part in enumerate(("right eye", "left eye", "nose", "random"))
        for layer in layers
        for faces, images in (("few", 5), ("all", 80))
    ]  # fmt: skip
    return {"consistency.csv": pd.DataFrame(found)}


def pairs(effect: float, noise: float, layers: tuple[int, ...] = (5, 7), seed: int = 3) -> pd.DataFrame:
    """Return the distances between faces.

    Distances at random places are `effect` larger in layer 5. Some pairs change in no common feature.
    """
    rng = np.random.default_rng(seed)
    one, other = np.triu_indices(FACES, 1)
    found = []
    for part in ("right eye", "left eye", "nose", "random"):
        for layer in layers:
            distances = 0.3 + effect * (part == "random") * (layer == 5) + rng.normal(0, noise, (2, len(one)))
            distances[1, rng.random(len(one)) < 0.05] = np.nan
            columns = {"one": one, "other": other, "distance": distances[0], "changed_distance": distances[1]}
            found.append(pd.DataFrame({"part": part, "layer": layer, **columns}))
    return pd.concat(found, ignore_index=True).sample(frac=1, random_state=0)


def files(effect: float, noise: float, layers: tuple[int, ...] = (5, 7)) -> dict[str, pd.DataFrame]:
    """Return distances with which the trained network's gap is `effect` larger than the untrained network's.

    Without the comparison, the claims would hold of the untrained network alone.
    """
    return {
        "pairs.parquet": pairs(0.2 + effect, noise, layers),
        "untrained.parquet": pairs(0.2, noise, layers, seed=4),
    }


def test_cells_are_mean_and_deviation_of_few_faces_all_and_changed_features() -> None:
    filled = table1.table(consistency(), {})
    assert rows(filled)["Nose"] == [
        "0.079 ± 0.017", "0.250 ± 0.062", "0.250 ± 1.000", "0.500 ± 0.250",
        "0.069 ± 0.011", "0.270 ± 0.062", "0.270 ± 1.000", "0.500 ± 0.250",
    ]  # fmt: skip
    records = filled.records()
    [one] = records[(records["row"] == "Nose") & (records["column"] == "Layer 7") & (records["part"] == "all")].iloc
    assert (one["value"], one["deviation"], one["n"], one["over"]) == (pytest.approx(0.27), 1.0, 3160, "pairs")
    assert records["difference"].isna().to_numpy().all(), (
        "the faces are not the paper's, so the table must show no difference"
    )
    assert "Ours: layers 5 and 7." in filled.notes[0]
    assert "5 faces, 10 pairs" in filled.notes[1] and "80 of them" in filled.notes[1]
    assert "25% to 55% change" in filled.notes[2]


def test_missing_results_are_not_available() -> None:
    alone = rows(table1.table(consistency((5,)), {}))["Random"]
    assert alone[1] == "0.350 ± 0.062" and alone[5:] == ["not available"] * 3
    nothing = table1.table({}, {})
    assert rows(nothing)["Random"] == [
        "0.107 ± 0.017", *["not available"] * 3, "0.073 ± 0.014", *["not available"] * 3
    ]  # fmt: skip
    assert len(nothing.records()) == 4 * 2 * 3


@pytest.mark.parametrize(
    ("effect", "noise", "verdict"), [(0.1, 0.01, "holds"), (-0.1, 0.01, "does not hold"), (0, 0.1, "undecided")]
)
@pytest.mark.parametrize("claim", ["correspondence", "correspondence-above"])
def test_claims_turn_with_the_distances(claim: str, effect: float, noise: float, verdict: str) -> None:
    found, measure = judged(table1, claim, files(effect, noise), DRAWN)
    assert found == verdict and measure.count == "8 faces"


@pytest.mark.parametrize("distance", ["distance", "changed_distance"])
def test_both_distances_must_agree(distance: str) -> None:
    data = files(0.1, 0.01)
    data["pairs.parquet"][distance] = data["untrained.parquet"][distance]
    for claim in ("correspondence", "correspondence-above"):
        found, measure = judged(table1, claim, data, DRAWN)
        assert found != "holds" and measure.part.endswith(table1.DISTANCES[distance])


def test_an_untrained_network_does_not_hold_against_itself() -> None:
    table = pairs(0.2, 0.01)
    data = {"pairs.parquet": table, "untrained.parquet": table}
    assert [one.value for one in table1.more_alike(data, DRAWN)] == [0] * 6
    assert [one.value for one in table1.less_above(data, DRAWN)] == [0] * 2
    below, above = (ledger.judged(claim, data, DRAWN)[0] for claim in table1.CLAIMS)
    assert below["verdict"] == "undecided", "no pair differs from itself"
    assert above["verdict"] == "not measurable here", "there is no gap that could be smaller"
    held = [ledger.judged(claim, files(0.1, 0.01), DRAWN)[0]["verdict"] for claim in table1.CLAIMS]
    assert held == ["holds", "holds"]


def test_gaps_between_faces_equal_loops() -> None:
    data = files(0.05, 0.1)
    records = {
        (name, row["part"], row["layer"], row["one"], row["other"]): row
        for name, table in data.items()
        for row in table.to_dict("records")
    }
    parts, distances = ("right eye", "left eye", "nose"), ("distance", "changed_distance")

    def gap(part: str, layer: int, distance: str, one: int, other: int) -> float:
        trained, untrained = (
            records[name, "random", layer, one, other][distance] - records[name, part, layer, one, other][distance]
            for name in ("pairs.parquet", "untrained.parquet")
        )
        return trained - untrained

    faces = list(combinations(range(FACES), 2))
    found = table1.more_alike(data, DRAWN)
    assert [one.part for one in found][:2] == ["right eye, all features", "right eye, changed in both"]
    slow = [np.nanmean([gap(part, 5, of, *two) for two in faces]) for part in parts for of in distances]
    assert [one.value for one in found] == pytest.approx(slow)
    found = table1.less_above(data, DRAWN)
    assert [one.part for one in found] == ["all features", "changed in both"]
    slow = [
        np.nanmean([np.mean([gap(part, 5, of, *two) - gap(part, 7, of, *two) for part in parts]) for two in faces])
        for of in distances
    ]
    assert [one.value for one in found] == pytest.approx(slow)


def test_claims_without_faces_or_hidden_layers_say_why(tmp_path) -> None:
    (tmp_path / "unavailable.txt").write_text("no faces\n")
    for claim in ("correspondence", "correspondence-above"):
        with pytest.raises(Unmeasurable, match="no faces"):
            judged(table1, claim, Folder(tmp_path, "correspondence"), DRAWN)
    with pytest.raises(Unmeasurable, match="no hidden"):
        judged(table1, "correspondence-above", files(0.1, 0.01, (5,)), DRAWN)
    nothing = {name: table.assign(changed_distance=np.nan) for name, table in files(0.1, 0.01).items()}
    for claim in ("correspondence", "correspondence-above"):
        with pytest.raises(Unmeasurable, match="no two faces"):
            judged(table1, claim, nothing, DRAWN)
