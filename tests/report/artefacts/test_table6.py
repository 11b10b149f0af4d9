from pathlib import Path

import pandas as pd
import pytest

from tests.report.artefacts.made import DRAWN, REAL, judged, rows
from zfpipe.report.artefacts import table6
from zfpipe.report.engine import tables
from zfpipe.report.engine.claims import Unmeasurable

VOC = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip


def precision(values: dict[str, float]) -> dict[str, pd.DataFrame]:
    columns = {"class": list(values), "average_precision": list(values.values())}
    return {"precision.csv": pd.DataFrame(columns).assign(images=20, penalty=0.1, test_images=1400)}


def test_other_classes_are_not_in_the_rows_of_vocs() -> None:
    filled = table6.table(precision({"bear": 0.25, "chair": 0.125}), {})
    found = rows(filled)
    assert found["Chair"] == ["65.2", "75.4", "65.0", "not available", "–"]
    assert found["chair (ours)"] == ["–", "–", "–", "12.5", "–"]
    assert list(found)[-1] == "mean (ours)" and found["mean (ours)"][3] == "18.8"
    assert "1,400 validation images" in filled.notes[0] and "not VOC's" in filled.notes[1]


def test_any_name_of_a_class_is_a_cell_of_markdown_and_latex(tmp_path: Path) -> None:
    tables.write(table6.table(precision({"a|b": 0.1, r"c_d & $e^{\~}$ <f>": 0.2}), {}), table6.ARTEFACT, tmp_path)
    assert r"| a\|b (ours) | – | – | – | 10.0 | – |" in (tmp_path / "table6.md").read_text()
    found = (tmp_path / "table6.tex").read_text()
    assert "\na$|$b (ours) & -- & -- & -- & 10.0 & -- \\\\\n" in found
    assert r"c\_d \& \$e\^{}\{$\backslash$\~{}\}\$ $<$f$>$ (ours) &" in found


def test_vocs_own_classes_stand_in_the_papers_rows() -> None:
    filled = table6.table(precision({name: place / 100 for place, name in enumerate(VOC)}), {})
    found = rows(filled)
    assert len(found) == 21 and len(filled.notes) == 1
    assert [found[name][3] for name in ("Airplane", "Table", "TV", "Mean")] == ["0.0", "10.0", "19.0", "9.5"]
    assert found["Mean"][4] == "−69.5"
    records = filled.records()
    assert len(records) == 3 * 21 and records["published"].notna().to_numpy().all()


@pytest.mark.parametrize(
    ("above", "zigzag", "verdict"), [(-10, 0, "holds"), (3, 0, "does not hold"), (0, 10, "undecided")]
)
def test_the_claim_turns_with_the_precisions(above: float, zigzag: float, verdict: str) -> None:
    best = [table6.TABLE.printed(row.name, table6.BEST) for row in table6.TABLE.rows]
    values = {name: (best[place] + above + zigzag * (-1) ** place) / 100 for place, name in enumerate(VOC)}
    found, measure = judged(table6, "pascal", precision(values), REAL)
    assert found == verdict and measure.value == pytest.approx(above) and measure.count == "20 classes"
    assert table6.CLAIMS[0].published == pytest.approx(-3.2)


def test_other_pictures_are_not_the_papers() -> None:
    with pytest.raises(Unmeasurable, match="PASCAL VOC 2012, and these pictures are drawn by zfpipe"):
        judged(table6, "pascal", precision(dict.fromkeys(VOC, 0.5)), DRAWN)
    with pytest.raises(Unmeasurable, match="not those of PASCAL"):
        judged(table6, "pascal", precision({"bear": 0.5}), REAL)
