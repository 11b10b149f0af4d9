"""Test the atlas: each map's tiles in their places on the sheets, and a page that needs nothing but its folder."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import CROP, SETTINGS, SIZE
from tests.networks import small_network
from tests.report.browser import CHROMIUM, Browser
from zfpipe.drawing.picture import CLASSES
from zfpipe.probes import activations, units
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.report.atlas import sheets as atlas
from zfpipe.report.atlas import walk
from zfpipe.report.engine import style, tiles
from zfpipe.subject.subject import Subject

NINE = 9


def layer(folder: Path, field: int, maps: int) -> tuple[atlas.Sheets, pd.DataFrame, np.ndarray, np.ndarray]:
    """Return sheets, rows, projections and patches of a layer.

    Map 1 is dead, and windows of odd ranks overhang the border.
    """
    generator = np.random.default_rng(field)
    sheets = atlas.Sheets(folder, 3, field, NINE, style.Drawing(99.0, CROP))
    projections = generator.normal(0, 1, (maps, NINE, field, field, 3)).astype(np.float32)
    patches = generator.integers(0, 256, projections.shape).astype(np.uint8)
    rows = pd.DataFrame(
        [
            {"map": number, "rank": rank, "id": 10 * number + rank, "label": rank % 2, "x0": -3 * (rank % 2), "y0": 2,
             "x1": field - 3 * (rank % 2), "y1": field + 2, "activation": float(number != 1) * (NINE - rank)}
            for number in range(maps) for rank in range(NINE)
        ]
    )  # fmt: skip
    for number, (_, top) in enumerate(rows.groupby("map")):
        sheets.add(top, projections[number], patches[number])
    sheets.flush()
    return sheets, rows, projections, patches


def tile_of(folder: Path, sheets: atlas.Sheets, kind: str, number: int, rank: int) -> np.ndarray:
    """Cut a tile from its sheet, at the place where the page looks for the tile."""
    sheet, place = divmod(number, atlas.COLUMNS * atlas.ROWS)
    pixels = np.asarray(Image.open(folder / sheets.files[kind][sheet]).convert("RGB"))
    size, side = sheets.tile, sheets.side
    y = (place // atlas.COLUMNS * side + rank // side) * size
    x = (place % atlas.COLUMNS * side + rank % side) * size
    return pixels[y : y + size, x : x + size]


@pytest.mark.parametrize("field", [7, 27])
def test_small_tiles_are_exact(tmp_path: Path, field: int) -> None:
    sheets, rows, projections, patches = layer(tmp_path, field, 35)
    assert [len(files) for files in sheets.files.values()] == [2, 2], "a sheet has 32 maps"
    for number, rank in ((0, 0), (0, 5), (9, 8), (31, 4), (34, 7)):
        top = rows[(rows["map"] == number) & (rows["rank"] == rank)]
        seen = tiles.visible(top.filter(["x0", "y0", "x1", "y1"]).to_numpy()[0], CROP)
        patch = np.where(seen[..., None], patches[number, rank], tiles.PAPER)
        assert np.array_equal(tile_of(tmp_path, sheets, "patches", number, rank), patch)
        shown = np.where(seen[..., None], tiles.contrast(projections[number, rank], seen, 99.0), tiles.PAPER)
        assert np.array_equal(tile_of(tmp_path, sheets, "projections", number, rank), shown)
    assert np.array_equal(tile_of(tmp_path, sheets, "patches", 1, 0), tiles.hatched(field, field))


def test_large_tiles_are_small_jpegs_that_do_not_bleed(tmp_path: Path) -> None:
    sheets = atlas.Sheets(tmp_path, 5, 139, 4, style.Drawing(99.0, 224))
    top = pd.DataFrame({"x0": 0, "y0": 0, "x1": 139, "y1": 139, "activation": 1.0}, index=range(4))
    patches = np.zeros((4, 139, 139, 3), np.uint8)
    patches[1] = 255
    sheets.add(top, np.zeros(patches.shape, np.float32), patches)
    sheets.flush()
    assert sheets.files["patches"][0].endswith(".jpg")
    for rank in range(4):
        found = tile_of(tmp_path, sheets, "patches", 0, rank)
        assert found.shape == (96, 96, 3)
        assert np.abs(found.astype(int) - 255 * (rank == 1)).max() <= 2


def test_the_page_names_exactly_the_files_of_its_folder(tmp_path: Path) -> None:
    sheets, rows, *_ = layer(tmp_path, 7, 34)
    settled = [None if number == 1 else 4.0 for number in range(34)]
    statistics = pd.DataFrame({"map": range(34), "fires": 1 / 3, "mean": 0.1, "largest": 9.0, "settled": settled})
    described = atlas.described(sheets, rows, statistics)
    filters = atlas.write_filters(tmp_path, np.random.default_rng(0).normal(0, 1, (34, 7, 7, 3)))
    atlas.write_page(tmp_path, [described], ["cat", "</script>"], filters, 1000)
    script = (tmp_path / "atlas.js").read_text()
    data = json.loads(script.removeprefix("const ATLAS = ").removesuffix(";\n"))
    (found,) = data["layers"]
    assert found["maps"][0]["top"][:2] == [[0, 0, 9.0], [1, 1, 8.0]]
    assert found["maps"][1] == {"fires": 0.3333, "mean": 0.1, "largest": 9.0, "settled": None, "top": []}
    named = {*found["sheets"]["projections"], *found["sheets"]["patches"], *data["filters"], "atlas.js", "index.html"}
    assert named == {path.name for path in tmp_path.iterdir()}
    page = (tmp_path / "index.html").read_text()
    assert not re.search(r"https?://|/\* style \*/", page)
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) == {"../index.html", "atlas.js"}


@pytest.fixture
def whole(beton: Path, inputs: MeanSubtraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the atlas of a small network. The unit of class 3 fires on no image."""
    monkeypatch.setattr(units, "HIDDEN", 10)
    network = small_network("zfnet", CROP)
    network.denses["8"].get_parameter("bias").data[3] = -1e6
    subject = Subject(network, inputs, beton, beton.with_name("index.parquet"), CROP, SIZE, SETTINGS.model.init, 0)
    with subject.batches() as batches:
        activations.run(network, batches, inputs, NINE, tmp_path / "activations", tmp_path / "spool")
        measured = units.measure(network, inputs.ahead(batches.epoch()), NINE)
    maps = [pd.read_parquet(tmp_path / f"activations/{name}.parquet") for name in ("strongest", "maps")]
    dense = units.tables([measured], network.architecture, CLASSES, NINE).values()
    drawing, folder = style.Drawing(99.0, CROP), tmp_path / "atlas"
    walk.write(subject, walk.Found(*maps), walk.Found(*dense), SETTINGS.deconvnet, drawing, folder)
    return folder


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    one = Browser(tmp_path / "profile")
    yield one
    one.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path; install it to run this")
def test_units_and_classes_are_layers_above_the_maps(whole: Path, browser: Browser) -> None:
    data = json.loads((whole / "atlas.js").read_text().removeprefix("const ATLAS = ").removesuffix(";\n"))
    *convs, hidden, above, softmax = data["layers"]
    assert [layer["layer"] for layer in data["layers"]] == list(range(1, 9))
    assert not any("kind" in layer for layer in convs)
    assert [(one["kind"], one["field"], len(one["maps"])) for one in (hidden, above)] == [("hidden", CROP, 10)] * 2
    assert (softmax["kind"], softmax["units"]) == ("softmax", list(range(5))), "the network has five classes"
    assert softmax["maps"][3]["top"] == [] and len(softmax["maps"][2]["top"]) == NINE
    names = CLASSES[:5]
    for width in (400, 1400):
        browser.open(whole / "index.html", width)
        assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask("[...document.querySelectorAll('#layers button')].at(-1).textContent") == "Classes"
    assert browser.ask("[...document.querySelectorAll('.maps b')].map(one => one.textContent)") == names
    browser.ask("(search.value = ATLAS.classes[2], search.dispatchEvent(new Event('input')))")
    assert browser.ask("document.querySelector('.maps b').textContent") == names[2], (
        "the unit of the searched class must come first"
    )
    heading = "new Promise(done => setTimeout(() => done(document.querySelector('h2').textContent), 100))"
    down = "window.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}))"
    for action, title in (
        ("location.hash = '8/4'", f"Class unit: {names[4]}"),
        (down, f"Layer 7, unit {above['units'][4]}"),
        ("location.hash = '2/1'", "Layer 2, map 1"),
        ("document.querySelector('#layers button').click()", "Layer 1"),
    ):
        assert browser.ask(f"({action}, {heading})") == title
    assert browser.faults == []
