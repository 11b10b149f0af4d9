import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from tests.imports import ROOT
from tests.report import conftest
from zfpipe import params, store
from zfpipe.errors import UserError
from zfpipe.report import methods
from zfpipe.report.engine import artefact

VOID = {"meta", "img", "br", "link", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Collect the page's elements. Fail if the elements do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"elements are never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="session")
def html(made: Path) -> str:
    return (made / "reports/index.html").read_text()


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    return Page(html)


def test_every_link_leads_somewhere(made: Path, page: Page) -> None:
    addresses = [entry["href"] for entry in page.all("a")] + [entry["src"] for entry in page.all("img")]
    assert len(addresses) > 30
    ids = [entry["id"] for _, entry in page.elements if "id" in entry]
    assert len(ids) == len(set(ids))
    for address in addresses:
        assert address
        if address.startswith("#"):
            assert address[1:] in ids
        else:
            assert (made / "reports" / address).resolve().is_relative_to(made.resolve())
            assert (made / "reports" / address).is_file(), address


def test_nothing_comes_from_the_network(html: str, page: Page) -> None:
    assert not page.all("script", "link", "iframe", "object", "embed")
    assert not re.search(r"(https?:)?//[a-z]|@import|url\(", html)


def test_the_page_shows_no_path_and_no_date(made: Path, html: str) -> None:
    for secret in (str(made), str(ROOT), str(Path.home()), "/tmp", "/home", "/root"):
        assert secret not in html
    assert not re.search(r"\b\d\d:\d\d\b|\b20[2-9]\d-\d\d\b", html)


def test_pictures_have_words_and_sizes(page: Page) -> None:
    pictures = page.all("img")
    strips = [entry for entry in pictures if "style" in entry]
    assert [entry["alt"] for entry in strips] == [f"Layer {n}: maps as in the table below" for n in (1, 2, 4)]
    assert {entry["src"] for entry in strips} == {"figures/fig2.png"}
    whole = [entry for entry in pictures if "style" not in entry]
    assert [entry["src"] for entry in whole] == [f"figures/fig{n}.png" for n in (1, 2, 3, 4, 5, 6, 7, "7b", 8, 9)]
    for entry in whole:
        assert entry["width"] == "2000" and int(entry["height"] or 0) > 300
        assert len(entry["alt"] or "") > 60 or entry["src"] == "figures/fig2.png", (
            "only Fig. 2, whose strips have words, may have few words"
        )
    assert "5 maps of layer 1, 5 maps of layer 2, 5 maps of layer 4" in page.words
    assert "2 of the 15 maps never fire" in page.words
    assert "96 maps, 110 × 110" in (whole[2]["alt"] or "") and "20.6 times the median" in (whole[5]["alt"] or "")
    drawings = page.all("svg")
    assert len(drawings) == len(params.load(ROOT / "params.yaml").runs)
    assert all(entry["role"] == "img" and entry["aria-label"] for entry in drawings)
    assert drawings[0]["aria-label"] == (
        "zfnet: validation error 45.0% after epoch 1 and 11.2% after epoch 4; "
        "training error 90.0% after epoch 1 and 22.5% after epoch 4"
    )


def test_tables_scroll_in_boxes_that_a_keyboard_reaches(html: str, page: Page) -> None:
    boxes = [entry for entry in page.all("div") if entry.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table")) + 3, "each table and each strip of Fig. 2 needs a box"
    assert all(entry.get("tabindex") == "0" and entry.get("aria-label") for entry in boxes)
    assert all(entry.get("scope") for entry in page.all("th"))
    assert len(page.all("h1")) == len(page.all("main")) == 1


def test_all_artefacts_are_there_in_order(page: Page) -> None:
    anchors = [module.ARTEFACT.anchor for module in artefact.modules()]
    assert len(anchors) >= 18
    ids = [entry["id"] for _, entry in page.elements if "id" in entry]
    assert [name for name in ids if name in anchors] == anchors
    assert page.words.count("Not in the paper.") == sum(not module.ARTEFACT.paper for module in artefact.modules())


def test_published_stands_beside_ours(page: Page) -> None:
    assert "1 convnet as per Fig. 3 38.4 22.0 ± 2.0 −16.4 16.5 5.0 ± 0.0 −11.5" in page.words
    assert "(Gunji et al., 2012) – – – – – – 26.2 –" in page.words
    assert "Cow 63.2 77.8 74.4" in page.words
    assert "Nose 0.079 ± 0.017 0.250 ± 0.062" in page.words, "Table 1, which can be empty, must be filled"
    assert "SVM (7) 85.5 ± 0.4 65.0 ± 1.0" in page.words


def test_counts_are_those_of_the_files(page: Page) -> None:
    assert "5,321 training and 1,000 validation images of 3 classes" in page.words
    assert "train 5,321 2 JSON" in page.words and "val 1,000 0 JSON" in page.words
    assert "fox & hound" in page.words  # escaped in the file, or parsing would have failed
    assert "1,234,567" in page.words


def test_the_page_is_the_same_each_time(project: Path, html: str) -> None:
    conftest.run_stage("report")
    assert Path("reports/index.html").read_text() == html


def test_numbers_follow_the_files(project: Path) -> None:
    path = Path("metrics/alexnet.json")
    store.save(path, store.load(path) | {"val_top1": 0.123})
    conftest.run_stage("table 2")
    conftest.run_stage("report")
    words = Page(Path("reports/index.html").read_text()).words
    assert "Our replication of (Krizhevsky et al., 2012), 1 convnet 40.5 12.3 −28.2" in words
    assert "12.3% measured here" in words


def test_what_a_stage_could_not_measure_is_reported_in_its_place(project: Path) -> None:
    store.save(Path("correspondence/unavailable.txt"), "no face looks at us\n")
    for stage in ("figure 8", "table 1", "claims", "report"):
        conftest.run_stage(stage)
    page = Page(Path("reports/index.html").read_text())
    assert "Nose 0.079 ± 0.017 not available" in page.words and "Not available: no face looks at us." in page.words
    assert page.words.count("No face looks at us.") == 2, "two claims must give the reason"
    [picture] = [entry for entry in page.all("img") if entry["src"] == "figures/fig8.png"]
    assert picture["alt"] == "Not available: no face looks at us."


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("metrics/zfnet.json", "table@2"),
        ("models/zfnet/history.csv", "train@zfnet"),
        ("data/betons/val.json", "betons@val"),
        ("data/betons/train.rejected.csv", "betons@train"),
        ("projections/projections.parquet", "figure@2"),
        ("transfer/caltech101/scratch.csv", "table@4"),
        ("filters/filters.json", "figure@6"),
        ("reports/figures/fig6.png", "figure@6"),
        ("reports/tables/table3.csv", "table@3"),
    ],
)
def test_a_missing_file_is_a_mistake_in_one_line(project: Path, path: str, target: str) -> None:
    Path(path).unlink()
    with pytest.raises(UserError, match=f"{path} not found; make it: dvc repro {target}$"):
        conftest.run_stage("report")


@pytest.mark.parametrize(
    ("source", "root", "counts", "says"),
    [
        ("folder", "/home/somebody/birds", (6000, 1000, 25), "folder “birds”, which is not ImageNet 2012"),
        ("folder", "/data/imagenet", (5000, 1000, 1000), "which is not ImageNet 2012"),
        ("imagenet", "/data/imagenet", (1_281_167, 50_000, 1000), "The counts are those of ImageNet 2012."),
    ],
)
def test_the_banner_says_what_the_pictures_are(
    project: Path, page: Page, source: str, root: str, counts: tuple[int, int, int], says: str
) -> None:
    assert "pictures that zfpipe draws itself, not on ImageNet" in page.words
    text = Path("params.yaml").read_text()
    text = re.sub(r"source: generated .*", f"source: {source}", text)
    Path("params.yaml").write_text(re.sub(r"root: zfpipe/drawing .*", f"root: {root}", text))
    for split, count in zip(("train", "val"), counts, strict=False):
        path = Path(f"data/betons/{split}.json")
        names = [str(number) for number in range(counts[2])]
        store.save(path, store.load(path) | {"count": count, "classes": names})
    conftest.run_stage("report")
    found = Page(Path("reports/index.html").read_text()).words
    assert says in found and "somebody" not in found
    assert f"{counts[0]:,} training and {counts[1]:,} validation images of {counts[2]:,} classes" in found
    assert ("not ImageNet 2012" in found) == (source == "folder")


@pytest.mark.parametrize("softmax", ["new", "own"])
def test_a_network_trained_elsewhere_is_named_and_is_not_compared(project: Path, page: Page, softmax: str) -> None:
    assert "under the microscope is" not in page.words and "The network of Fig. 3, top-1 error" in page.words
    text = (project / "params.yaml").read_text()
    text = re.sub(r"source: null .*", "source: torchvision.models:resnet18", text, count=1)
    text = re.sub(r"weights: null .*", "weights: weights/resnet18.pth", text, count=1)
    text = re.sub(r"softmax: new .*", f"softmax: {softmax}", text, count=1)
    text = re.sub(r"watch: \[\]", "watch: [model]", text, count=1)
    (project / "params.yaml").write_text(text)
    for words in ("table 2", "claims", "report"):
        conftest.run_stage(words)
    found = Page((project / "reports/index.html").read_text()).words
    assert "under the microscope is torchvision.models:resnet18 with the weights in weights/resnet18.pth ," in found
    assert ("Only a new softmax was trained here" in found) is (softmax == "new")
    assert "torchvision.models:resnet18 , top-1 error 20.0% measured here Replication of AlexNet" in found.replace(
        "resnet18,", "resnet18 ,"
    ), "no published error stands below"
    assert "The network of Fig. 3, top-1 error" not in found
    table = pd.read_csv(project / "reports/tables/table2.csv")
    assert set(table[table["row"].str.contains("as per Fig. 3")]["status"]) == {"not run"}
    measures = pd.read_csv(project / "reports/measures.csv")
    compared = [row for row in measures.to_dict("records") if "Fig. 3" in str(row["part"])]
    assert len(compared) >= 5
    assert all(pd.isna(row["value"]) for row in compared)


def test_parameters_hide_where_folders_stand(project: Path) -> None:
    text = Path("params.yaml").read_text()
    text = re.sub(r"source: generated .*", "source: folder", text)
    text = re.sub(r"root: zfpipe/drawing .*", "root: /home/somebody/secret/birds", text)
    Path("params.yaml").write_text(text)
    conftest.run_stage("report")
    html = Path("reports/index.html").read_text()
    assert "birds" in html and "somebody" not in html and "secret" not in html


def test_methods_carry_the_values(page: Page) -> None:
    for part in methods.parts(params.load(ROOT / "params.yaml")):
        assert f"{part.title} {part.where}" in page.words
        for choice in part.choices:
            assert "".join(choice.markdown.replace("`", "").split()) in "".join(page.words.split())
            assert choice.standing in page.words


def test_methods_follow_the_parameters(project: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  momentum: 0.9\n", "  momentum: 0.85\n"))
    conftest.run_stage("report")
    words = Page(Path("reports/index.html").read_text()).words
    assert "and momentum 0.85 (paper: 0.9)" in words and "momentum 0.9 ." not in words


def test_provenance_is_that_of_the_files(made: Path, page: Page) -> None:
    for run in params.load(ROOT / "params.yaml").runs:
        md5 = hashlib.md5((made / f"models/{run}/weights.safetensors").read_bytes()).hexdigest()
        assert f"models/{run}/weights.safetensors {md5}" in page.words
    for split, count in (("train", 5321), ("val", 1000)):
        assert f"data/betons/{split}.beton {count:064x} ffcv 1.0.2, numpy 2.4.6" in page.words
    assert f"Python {sys.version_info.major}.{sys.version_info.minor} torch {version('torch')} " in page.words
    assert sys.version.split()[0] not in page.words, "a patch version of Python must not change the page"


def test_a_version_other_than_the_pinned_one_is_named(project: Path) -> None:
    assert "all as pinned in constraints.txt" in Page(Path("reports/index.html").read_text()).words
    pinned = Path("constraints.txt").read_text()
    Path("constraints.txt").write_text(re.sub(r"^pillow==\S+", "pillow==1.2.3", pinned, flags=re.MULTILINE))
    conftest.run_stage("report")
    words = Page(Path("reports/index.html").read_text()).words
    assert "not as pinned in constraints.txt : pillow, pinned 1.2.3" in words


def ratio(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines contrast."""

    def luminance(colour: str) -> float:
        shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_text_has_enough_contrast() -> None:
    assert ratio("#000000", "#ffffff") == pytest.approx(21) and ratio("#767676", "#ffffff") == pytest.approx(
        4.54, abs=0.01
    )
    light, dark = re.findall(r":root \{(.*?)\}", (ROOT / "zfpipe/report/page.css").read_text(), re.DOTALL)
    for look in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", look))
        assert set(colours) == {"paper", "card", "ink", "muted", "rule", "link", "accent", "wash", "second"}
        for ground in ("paper", "card", "wash"):
            for words in ("ink", "muted", "link", "accent"):
                assert ratio(colours[words], colours[ground]) >= 4.5, f"{words} on {ground}"
        assert ratio(colours["second"], colours["card"]) >= 3  # a line of a chart needs less contrast than text


def test_parameters_are_complete(page: Page) -> None:
    settings = params.load(ROOT / "params.yaml")
    for name in type(settings).model_fields:
        section = getattr(settings, name)
        # The page describes networks in words, and `watch` decides no result.
        if name in ("model", "alexnet", "runs", "watch"):
            continue
        if name == "ensembles":
            assert all(f"{ensemble}: [" in page.words for ensemble in section)
            continue
        for field, value in section.model_dump().items():
            assert f"{field}: " in page.words, f"{name}.{field} = {value}"
    for run in settings.runs:
        assert f"{run}: " in page.words


def test_the_page_is_written_after_one_epoch_with_dead_maps_only(project: Path) -> None:
    for run in params.load().runs:
        path = Path(f"models/{run}/history.csv")
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    rows = pd.read_parquet("projections/projections.parquet").assign(activation=0.0)
    rows.to_parquet("projections/projections.parquet")
    conftest.run_stage("report")
    words = Page(Path("reports/index.html").read_text()).words
    assert words.count("never fires on the validation images") == 15


def test_the_report_needs_no_torch() -> None:
    code = "import sys, stages.figure, stages.table, stages.report, zfpipe.report.artefacts.fig2 as _; "
    code += "print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
