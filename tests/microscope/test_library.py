"""Run the blocks of docs/library.md and the cells of docs/look.ipynb, with random weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torchvision
from PIL import Image

from tests.anynet.networks import torchvisions
from tests.imports import ROOT
from tests.test_docs import fenced
from zfpipe.drawing.picture import draw


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a folder with photos, and builders of networks with random weights, so that none are downloaded."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("photo.jpg", "other.jpg")):
        Image.fromarray(draw(0, "val", number).pixels).save(name)
    for name in ("resnet18", "vgg11_bn"):
        network = torchvisions(name)
        monkeypatch.setattr(torchvision.models, name, lambda weights, network=network: network)
    yield


def run(blocks: list[str]) -> dict[str, Any]:
    """Run blocks one after another; return the names that they leave."""
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "<block>", "exec"), names)
    return names


def test_the_blocks_of_the_page_run() -> None:
    text = (ROOT / "docs/library.md").read_text()
    names = run([block for language, block in fenced(text) if language == "python"])
    assert names["field"].size == (51, 51)
    assert names["projection"].pixels.shape == (224, 224, 3)
    assert names["occluded"].probability.shape == (7, 7)
    assert names["change"].shape == (1, 3, 224, 224)


def test_the_cells_of_the_notebook_run_and_show_their_results() -> None:
    cells = json.loads((ROOT / "docs/look.ipynb").read_text())["cells"]
    blocks = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = run(blocks[:1])
    for block in blocks[1:]:
        *lines, last = block.splitlines()
        exec("\n".join(lines), names)
        shown = eval(last, names)
        assert hasattr(shown, "_repr_png_") or hasattr(shown, "_repr_html_")
    assert len(blocks) == 5
