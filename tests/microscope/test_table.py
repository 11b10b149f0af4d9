"""What works with torchvision's networks: the table of docs/library.md, run at small sizes. Also writes that table."""

import re

import numpy as np
import pytest

from tests.anynet.networks import FOURTEEN, torchvisions
from tests.imports import ROOT
from zfpipe import Microscope
from zfpipe.drawing.picture import draw
from zfpipe.errors import UserError

PAGE = ROOT / "docs/library.md"
HEAD = "| network | strongest | project | occlude | invariance | look |\n|---|---|---|---|---|---|\n"


def row(name: str) -> str:
    """A network's row, after every method has run on it."""
    microscope = Microscope(torchvisions(name), size=80 if name == "inception_v3" else 64)
    photo, last = draw(0, "val", 1).pixels, microscope.lens.main[-1]
    strongest = microscope.strongest([photo, photo[:, ::-1]], last, 2)
    assert strongest.activations.shape == (microscope.lens.shape(last)[0], 2)
    strong = int(strongest.activations[:, 0].argmax())
    try:
        assert microscope.project(photo, last, strong).pixels.any()
        projected = "works"
    except UserError as refusal:
        found = re.search(r"\((\w+)\) (is no ReLU|scales by the image itself)", str(refusal))
        assert found, refusal
        projected = f"refused: {found[1]} {found[2]}"
    occluded = microscope.occlude(photo, size=16, stride=16)
    assert occluded.probability.shape == (len(occluded.ys),) * 2
    assert np.isfinite(occluded.probability).all()
    assert microscope.invariance(photo, "translation", [4]).distance[microscope.layers[-1]][0] > 0
    look = microscope.look(photo, [last], 2)
    assert len(look.layers[0].peaks) == 2
    assert (look.layers[0].refused is None) is (projected == "works")
    seen = "works" if projected == "works" else "works, without projections"
    return f"| {name} | works | {projected} | works | works | {seen} |\n"


@pytest.mark.parametrize("name", FOURTEEN)
def test_the_table_says_what_works(name: str) -> None:
    assert row(name) in PAGE.read_text(), "write it: python -m tests.microscope.test_table"


def test_the_table_has_all() -> None:
    assert HEAD in PAGE.read_text()
    assert PAGE.read_text().partition(HEAD)[2].partition("\n\n")[0].count("\n") == len(FOURTEEN) - 1


if __name__ == "__main__":
    before, _, after = PAGE.read_text().partition(HEAD)
    after = after[after.index("\n\n") + 1 :] if after else "\n"
    PAGE.write_text(before + HEAD + "".join(map(row, FOURTEEN)) + after)
