import csv
import json
from pathlib import Path

import pytest

from tests.report import conftest
from zfpipe.errors import UserError
from zfpipe.params import Run
from zfpipe.report.numbers import errors, formats
from zfpipe.report.numbers.published import TABLES
from zfpipe.report.tables import table2, table3, table4, table5, table6, table7

ERRORS = {"zfnet": (0.12345, 0.2004, 0.0996), "alexnet": (0.5, 0.405, 0.2), "alexnet-no34": (0.45, 0.6, 0.3)}
RUNS = {
    "zfnet": Run(base="model", seed=0),
    "alexnet": Run(base="alexnet", seed=0),
    "alexnet-no34": Run(base="alexnet", seed=0, edit={"drop": [3, 4]}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    conftest.write_metrics(tmp_path / "metrics", ERRORS)
    conftest.write_ensembles(tmp_path / "metrics", {"zfnet-six": (0.3, 0.147)})
    return tmp_path / "metrics"


def cells(table: errors.PaperTable, run: str) -> dict[str, str]:
    (found,) = [row for row in table.cells if row["run"] == run]
    return found


def test_each_run_stands_in_its_row(folder: Path) -> None:
    two, three = table2.build(folder, RUNS), table3.build(folder, RUNS)
    assert cells(two, "zfnet")["row"] == "1 convnet as per Fig. 3"
    assert cells(two, "alexnet")["row"] == "Our replication of (Krizhevsky et al., 2012), 1 convnet"
    assert cells(three, "zfnet")["row"] == "Our Model (as per Fig. 3)"
    assert cells(three, "alexnet-no34")["row"] == "Removed layers 3,4"
    assert [row["run"] for row in two.cells].count("alexnet-no34") == 0  # not a row of Table 2


def test_difference_is_ours_minus_published_in_points(folder: Path) -> None:
    three = table3.build(folder, RUNS)
    ours = cells(three, "zfnet")
    assert (ours["ours_train_top1"], ours["published_train_top1"], ours["difference_train_top1"]) == (
        "12.3",
        "33.1",
        "-20.8",
    )
    assert (ours["ours_val_top1"], ours["published_val_top1"], ours["difference_val_top1"]) == ("20.0", "38.4", "-18.4")
    assert (ours["ours_val_top5"], ours["published_val_top5"], ours["difference_val_top5"]) == ("10.0", "16.5", "-6.5")
    assert cells(three, "alexnet-no34")["difference_val_top1"] == "+14.6"
    assert cells(three, "alexnet")["difference_val_top1"] == "+0.0"


def test_rows_without_a_run_say_so(folder: Path) -> None:
    two, three = table2.build(folder, RUNS), table3.build(folder, RUNS)
    for table in (two, three):
        for row, published in zip(table.cells, table.published.rows, strict=True):
            ran = published.run in [*RUNS, "zfnet-six"]
            expected = "published by others" if published.others else "measured" if ran else "not run"
            assert row["status"] == expected
            assert bool(row["ours_val_top1"]) == bool(row["difference_val_top1"]) == (expected == "measured")
    words = formats.markdown(two)
    assert (
        "| 5 convnets as per Fig. 3 – (a) | 36.7 | not run | – | 15.3 | not run | – | 15.3 | not available |" in words
    )
    assert "| (Gunji et al., 2012) | – | – | – | – | – | – | 26.2 | – |" in words


def test_seeds_are_a_mean_with_half_of_its_interval(folder: Path) -> None:
    errors_ = {"zfnet": (0.1, 0.2, 0.1), "zfnet-seed1": (0.3, 0.26, 0.12), "zfnet-unclipped": (0.9, 0.9, 0.9)}
    conftest.write_metrics(folder, errors_)
    runs = {
        "zfnet": Run(base="model", seed=0, snapshots=(1, 2)),
        "zfnet-seed1": Run(base="model", seed=1),
        "zfnet-unclipped": Run(base="model", seed=2, edit={"renorm_radius": None}),
    }
    two = table2.build(folder, runs)
    ours = cells(two, "zfnet")
    # Two values: Student's t for one degree of freedom is 12.7062, and the error of the mean half of their distance
    assert (ours["ours_val_top1"], ours["seeds"]) == (f"23.0 ± {12.7062 * 3:.1f}", "2")
    assert ours["difference_val_top1"] == "-15.4"
    assert any("mean of 2 networks that differ in the seed alone" in note for note in two.notes)


def test_ensembles_stand_in_their_rows(folder: Path) -> None:
    two = table2.build(folder, RUNS)
    ours = cells(two, "zfnet-six")
    assert ours["row"] == "6 convnets, (a) & (b) combined"
    assert (ours["ours_val_top1"], ours["difference_val_top5"], ours["seeds"]) == ("30.0", "+0.0", "1")


def test_the_test_column_says_why_it_is_not_available(folder: Path) -> None:
    two, three = table2.build(folder, RUNS), table3.build(folder, RUNS)
    assert cells(two, "zfnet")["ours_test_top5"] == "not available"
    assert any("labels of ImageNet's test set were never released" in note for note in two.notes)
    assert not any("never released" in note for note in three.notes)


def test_notes_tell_images_classes_and_uncertainty(folder: Path) -> None:
    notes = " ".join(table3.build(folder, RUNS).notes)
    assert "1,000 validation images of 3 classes" in notes and "500 of the training images" in notes
    assert "up to 1.6 points" in notes  # 100 * sqrt(0.25 / 1000)


def test_metrics_of_every_run_are_needed(folder: Path) -> None:
    with pytest.raises(UserError, match=r"zfnet-wide.json not found; make it: dvc repro evaluate@zfnet-wide"):
        table2.build(folder, RUNS | {"zfnet-wide": RUNS["zfnet"]})
    (folder / "alexnet.json").write_text(json.dumps({"val_top1": 0.1}))
    with pytest.raises(UserError, match=r"alexnet.json lacks classes, .*dvc repro -f evaluate@alexnet"):
        table3.build(folder, RUNS)
    (folder / "alexnet.json").write_text("{")
    with pytest.raises(UserError, match=r"alexnet.json can't be read"):
        table3.build(folder, RUNS)


def test_metrics_of_runs_not_asked_for_are_not_read(folder: Path) -> None:
    (folder / "alexnet-no34.json").write_text("{")
    assert "not run" in formats.markdown(table3.build(folder, {run: RUNS[run] for run in ("zfnet", "alexnet")}))


def test_written_cells_are_read_back(folder: Path, tmp_path: Path) -> None:
    for table in (table2.build(folder, RUNS), table3.build(folder, RUNS)):
        formats.write(table, tmp_path / "t.csv")
        assert formats.read(tmp_path / "t.csv") == table.cells
        with (tmp_path / "t.csv").open(newline="") as file:
            assert len({len(line) for line in csv.reader(file)}) == 1


def test_markdown_rows_are_complete(folder: Path) -> None:
    for table in (table2.build(folder, RUNS), table3.build(folder, RUNS)):
        lines = [line for line in formats.markdown(table).splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) == 2 + len(table.cells) + len({row.get("group") for row in table.cells} - {None})


def test_latex_is_escaped_and_complete(folder: Path) -> None:
    for table, columns in ((table2.build(folder, RUNS), 9), (table3.build(folder, RUNS), 10)):
        lines = formats.latex(table).splitlines()
        body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
        rows = [line for line in body if not line.startswith(r"\multicolumn")]
        assert len(rows) == len(table.cells)
        for line in rows:
            assert line.endswith(r"\\") and line.replace(r"\&", "").count("&") == columns - 1
        assert not set("∗–−×") & set("".join(lines))
        assert sum(line.count("{") - line.count("}") for line in lines) == 0
    assert r"6 convnets, (a) \& (b) combined" in formats.latex(table2.build(folder, RUNS))


def test_the_stage_writes_three_files(project: Path) -> None:
    for number, table in TABLES.items():
        for suffix in ("csv", "md", "tex"):
            path = Path(f"reports/tables/table{number}.{suffix}")
            before = path.read_bytes()
            path.unlink()
            conftest.run_stage(f"table {number}")
            assert path.read_bytes() == before
        ours = 3 * (number == 6)  # two classes that VOC has not, and their mean
        assert len(formats.read(Path(f"reports/tables/table{number}.csv"))) == len(table.rows) + ours
    with pytest.raises(UserError, match=r"must be one of 1, 2, 3, 4, 5, 6, 7$"):
        conftest.run_stage("table 8")


def row(table: errors.PaperTable, name: str) -> dict[str, str]:
    (found,) = [cells for cells in table.cells if cells["row"] == name]
    return found


@pytest.fixture
def transfer(tmp_path: Path) -> Path:
    conftest.write_transfer(tmp_path / "transfer")
    return tmp_path / "transfer"


def test_tables_4_and_5_have_mean_and_deviation_over_folds(transfer: Path) -> None:
    four, five = table4.build(transfer / "caltech101", {}), table5.build(transfer / "caltech256", {})
    ours = row(four, "ImageNet-pretrained convnet")
    assert (ours["ours_15_per_class"], ours["difference_15_per_class"]) == ("51.5 ± 1.0", "-32.3")
    assert ours["ours_30_per_class"] == "53.0 ± 1.0"
    assert row(five, "ImageNet-pretrained convnet")["ours_60_per_class"] == "56.0 ± 1.0"
    assert row(five, "Non-pretrained convnet")["ours_45_per_class"] == "25.0 ± 7.1"
    others = row(four, "(Jianchao et al., 2009)")
    assert (others["published_15_per_class"], others["ours_15_per_class"], others["status"]) == (
        "73.2",
        "",
        errors.OTHERS,
    )
    assert "10 classes that zfpipe draws, 3 folds of 200 test images" in four.notes[0]
    assert four.notes[1].endswith("random weights, on 2 of the folds.")


def test_what_was_not_measured_is_not_available(transfer: Path) -> None:
    (transfer / "caltech101/scratch.csv").write_text("per_class,fold,accuracy,test_images\n")
    four = table4.build(transfer / "caltech101", {})
    assert row(four, "Non-pretrained convnet")["ours_15_per_class"] == errors.UNAVAILABLE
    assert row(four, "Non-pretrained convnet")["difference_15_per_class"] == ""
    assert "not trained" in four.notes[1]
    (transfer / "caltech101/accuracy.csv").unlink()
    with pytest.raises(UserError, match="transfer@caltech101"):
        table4.build(transfer / "caltech101", {})


def test_table_6_keeps_other_classes_apart_from_vocs(transfer: Path) -> None:
    six = table6.build(transfer / "voc2012", {})
    assert row(six, "Chair")["ours_the_paper's_convnet"] == errors.UNAVAILABLE
    assert row(six, "chair (ours)")["ours_the_paper's_convnet"] == "12.5"
    assert row(six, "mean (ours)")["ours_the_paper's_convnet"] == "18.8"
    assert "not VOC's" in six.notes[1]


def test_table_6_of_vocs_own_classes(transfer: Path) -> None:
    names = (
        "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant"
    )
    classes = [*names.split(), "sheep", "sofa", "train", "tvmonitor"]
    conftest.write_precision(transfer / "voc2012", {name: place / 100 for place, name in enumerate(classes)})
    six = table6.build(transfer / "voc2012", {})
    assert len(six.cells) == 21 and len(six.notes) == 1
    found = {name: row(six, name) for name in ("Airplane", "Table", "TV", "Mean")}
    assert [cells["ours_the_paper's_convnet"] for cells in found.values()] == ["0.0", "10.0", "19.0", "9.5"]
    assert found["Mean"]["difference_the_paper's_convnet"] == "-69.5"


def test_table_7_has_every_classifier_with_the_most_images(transfer: Path) -> None:
    seven = table7.build(transfer, {})
    first, second = "ours_caltech-101,_30_per_class", "ours_caltech-256,_60_per_class"
    assert [cells["row"] for cells in seven.cells][:2] == ["SVM (1)", "SVM (2)"]
    assert (row(seven, "SVM (1)")[first], row(seven, "SVM (1)")[second]) == ("50.0 ± 1.0", "50.0 ± 1.0")
    assert (row(seven, "SVM (7)")[first], row(seven, "SVM (7)")[second]) == ("53.0 ± 1.0", "56.0 ± 1.0")
    assert row(seven, "Softmax (5)")[first] == "50.0 ± 1.0"
    assert row(seven, "Softmax (7)")[second] == "56.0 ± 1.0"
