"""Test the paper's numbers against the paper's text, copied here unchanged."""

import re

import pytest

from zfpipe.report.artefacts import table2, table3, table4, table6, table7
from zfpipe.report.engine import artefact
from zfpipe.report.engine.tables import Filled, Line

TEXT = {
    1: """
Right Eye | 0.067 ± 0.007 | 0.069 ± 0.015
Left Eye | 0.069 ± 0.007 | 0.068 ± 0.013
Nose | 0.079 ± 0.017 | 0.069 ± 0.011
Random | 0.107 ± 0.017 | 0.073 ± 0.014
""",
    2: """
(Gunji et al., 2012) | - | - | 26.2
(Krizhevsky et al., 2012), 1 convnet | 40.7 | 18.2 | −−
(Krizhevsky et al., 2012), 5 convnets | 38.1 | 16.4 | 16.4
(Krizhevsky et al., 2012) ∗ , 1 convnets | 39.0 | 16.6 | −−
(Krizhevsky et al., 2012) ∗ , 7 convnets | 36.7 | 15.4 | 15.3
Our replication of (Krizhevsky et al., 2012), 1 convnet | 40.5 | 18.1 | −−
1 convnet as per Fig. 3 | 38.4 | 16.5 | −−
5 convnets as per Fig. 3 – (a) | 36.7 | 15.3 | 15.3
1 convnet as per Fig. 3 but with layers 3,4,5: 512,1024,512 maps – (b) | 37.5 | 16.0 | 16.1
6 convnets, (a) & (b) combined | 36.0 | 14.7 | 14.8
""",
    3: """
Our replication of (Krizhevsky et al., 2012), 1 convnet | 35.1 | 40.5 | 18.1
Removed layers 3,4 | 41.8 | 45.4 | 22.1
Removed layer 7 | 27.4 | 40.0 | 18.4
Removed layers 6,7 | 27.4 | 44.8 | 22.4
Removed layer 3,4,6,7 | 71.1 | 71.3 | 50.1
Adjust layers 6,7: 2048 units | 40.3 | 41.7 | 18.8
Adjust layers 6,7: 8192 units | 26.8 | 40.0 | 18.1
Our Model (as per Fig. 3) | 33.1 | 38.4 | 16.5
Adjust layers 6,7: 2048 units | 38.2 | 40.2 | 17.6
Adjust layers 6,7: 8192 units | 22.0 | 38.8 | 17.0
Adjust layers 3,4,5: 512,1024,512 maps | 18.8 | 37.5 | 16.0
Adjust layers 6,7: 8192 units and Layers 3,4,5: 512,1024,512 maps | 10.0 | 38.3 | 16.9
""",
    4: """
(Bo et al., 2013) | - | 81.4±0.33
(Jianchao et al., 2009) | 73.2 | 84.3
Non-pretrained convnet | 22.8±1.5 | 46.5±1.7
ImageNet-pretrained convnet | 83.8±0.5 | 86.5±0.5
""",
    5: """
(Sohn et al., 2011) | 35.1 | 42.1 | 45.7 | 47.9
(Bo et al., 2013) | 40.5±0.4 | 48.0±0.2 | 51.9±0.2 | 55.2±0.3
Non-pretrained convnet | 9.0±1.4 | 22.5±0.7 | 31.2±0.5 | 38.8±1.4
ImageNet-pretrained convnet | 65.7±0.2 | 70.6±0.2 | 72.7±0.4 | 74.2±0.3
""",
    6: """
Airplane | 92.0 | 97.3 | 96.0
Bicycle | 74.2 | 84.2 | 77.1
Bird | 73.0 | 80.8 | 88.4
Boat | 77.5 | 85.3 | 85.5
Bottle | 54.3 | 60.8 | 55.8
Bus | 85.2 | 89.9 | 85.8
Car | 81.9 | 86.8 | 78.6
Cat | 76.4 | 89.3 | 91.2
Chair | 65.2 | 75.4 | 65.0
Cow | 63.2 | 77.8 | 74.4
Table | 63.2 | 77.8 | 67.7
Dog | 68.9 | 83.0 | 87.8
Horse | 78.2 | 87.5 | 86.0
Motorbike | 81.0 | 90.1 | 85.1
Person | 91.6 | 95.0 | 90.9
Plant | 55.9 | 57.8 | 52.2
Sheep | 69.4 | 79.2 | 83.6
Sofa | 65.4 | 73.4 | 61.1
Train | 86.7 | 94.5 | 91.8
TV | 77.4 | 80.7 | 76.1
Mean | 74.3 | 82.2 | 79.0
""",
    7: """
SVM (1) | 44.8±0.7 | 24.6±0.4
SVM (2) | 66.2±0.5 | 39.6±0.3
SVM (3) | 72.3±0.4 | 46.0±0.3
SVM (4) | 76.6±0.4 | 51.3±0.1
SVM (5) | 86.2±0.8 | 65.6±0.3
SVM (7) | 85.5±0.4 | 71.7±0.2
Softmax (5) | 82.9±0.4 | 65.7±0.5
Softmax (7) | 85.4±0.4 | 72.6±0.1
""",
}


@pytest.mark.parametrize("number", TEXT)
def test_every_number_is_the_papers(number: int) -> None:
    table = artefact.module(f"table{number}").TABLE
    filled = Filled(table, [Line(row) for row in table.rows], [])
    printed = [
        [line.row.name, *(filled.cell(line, column, "published") for column in table.columns)] for line in filled.lines
    ]
    lines = [[cell.strip() for cell in line.split(" | ")] for line in TEXT[number].strip().splitlines()]
    expected = [
        [name, *(re.sub(r" ?± ?", " ± ", re.sub("^(-|−−)$", "–", cell)) for cell in cells)] for name, *cells in lines
    ]
    assert printed == expected


def test_inconsistencies_are_kept_as_printed() -> None:
    six = {row.name: row.values for row in table6.TABLE.rows}
    assert six["Cow"][:2] == six["Table"][:2] == (63.2, 77.8)
    first = [row.values[0] for row in table6.TABLE.rows if row.name != "Mean"]
    assert round(sum(first) / 20, 2) == 74.03 and six["Mean"][0] == 74.3  # type: ignore[arg-type]
    assert table4.TABLE.rows[-1].values[1] == (86.5, 0.5)
    assert table7.TABLE.rows[-1].values == ((85.4, 0.4), (72.6, 0.1))


def test_runs_have_one_row_each_in_a_table() -> None:
    for table in (table2.TABLE, table3.TABLE):
        runs = [row.run for row in table.rows if row.run]
        assert len(runs) == len(set(runs))
    both = {row.run: row for row in table2.TABLE.rows if row.run}
    for row in table3.TABLE.rows:
        if row.run in both:  # both tables print the validation errors of a network
            assert row.values[1:] == both[row.run].values[:2]
