from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.report.artefacts.made import DRAWN, judged, rows
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


def pairs(effect: float, noise: float, layers: tuple[int, ...] = (5, 7)) -> pd.DataFrame:
    """Distances of faces: at random places `effect` larger in layer 5."""
    rng = np.random.default_rng(3)
    one, other = np.triu_indices(FACES, 1)
    found = []
    for part in ("right eye", "left eye", "nose", "random"):
        for layer in layers:
            distance = 0.3 + effect * (part == "random") * (layer == 5) + rng.normal(0, noise, len(one))
            found.append(pd.DataFrame({"part": part, "layer": layer, "one": one, "other": other, "distance": distance}))
    return pd.concat(found).sample(frac=1, random_state=0)


def test_cells_are_mean_and_deviation_of_few_faces_all_and_changed_features() -> None:
    filled = table1.table(consistency(), {})
    assert rows(filled)["Nose"] == [
        "0.079 ± 0.017", "0.250 ± 0.062", "0.250 ± 1.000", "0.500 ± 0.250",
        "0.069 ± 0.011", "0.270 ± 0.062", "0.270 ± 1.000", "0.500 ± 0.250",
    ]  # fmt: skip
    records = filled.records()
    [one] = records[(records["row"] == "Nose") & (records["column"] == "Layer 7") & (records["part"] == "all")].iloc
    assert (one["value"], one["deviation"], one["n"], one["over"]) == (pytest.approx(0.27), 1.0, 3160, "pairs")
    assert records["difference"].isna().to_numpy().all(), "the table shows none: the faces are others"
    assert "Ours: layers 5 and 7." in filled.notes[0]
    assert "5 faces, 10 pairs" in filled.notes[1] and "80 of them" in filled.notes[1]
    assert "25% to 55% change" in filled.notes[2]


def test_what_there_is_not_is_not_available() -> None:
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
    found, measure = judged(table1, claim, {"pairs.parquet": pairs(effect, noise)}, DRAWN)
    assert found == verdict and measure.count == "8 faces"


def test_gaps_between_faces_by_loops() -> None:
    table = pairs(0.05, 0.1)
    records = table.to_dict("records")

    def mean(part: str, layer: int) -> float:
        return float(np.mean([row["distance"] for row in records if (row["part"], row["layer"]) == (part, layer)]))

    parts = ("right eye", "left eye", "nose")
    found = table1.more_alike({"pairs.parquet": table}, DRAWN)
    assert [one.part for one in found] == list(parts)
    assert [one.value for one in found] == pytest.approx([mean("random", 5) - mean(part, 5) for part in parts])
    assert [one.published for one in found] == pytest.approx([0.040, 0.038, 0.028])
    [fallen] = table1.less_above({"pairs.parquet": table}, DRAWN)
    gaps = [np.mean([mean("random", layer) - mean(part, layer) for part in parts]) for layer in (5, 7)]
    assert fallen.value == pytest.approx(gaps[0] - gaps[1])
    assert fallen.published == pytest.approx((0.107 - 0.073) - (0.067 + 0.069 + 0.079 - 0.069 - 0.068 - 0.069) / 3)


def test_claims_without_faces_or_hidden_layers(tmp_path) -> None:
    (tmp_path / "unavailable.txt").write_text("no faces\n")
    for claim in ("correspondence", "correspondence-above"):
        with pytest.raises(Unmeasurable, match="no faces"):
            judged(table1, claim, Folder(tmp_path, "correspondence"), DRAWN)
    with pytest.raises(Unmeasurable, match="no hidden"):
        judged(table1, "correspondence-above", {"pairs.parquet": pairs(0.1, 0.01, (5,))}, DRAWN)
