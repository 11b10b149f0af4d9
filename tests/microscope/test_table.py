"""Run the table of docs/library.md, which says what works with torchvision's networks, at small sizes.

`python -m tests.microscope.test_table` writes the table.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.anynet.networks import FOURTEEN, torchvisions
from tests.imports import ROOT
from zfpipe import Microscope, params
from zfpipe.anynet.network import AnyNet
from zfpipe.drawing.picture import draw
from zfpipe.errors import UserError
from zfpipe.probes import activations
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.report.atlas import walk
from zfpipe.report.engine.style import Drawing
from zfpipe.sections import Deconvnet
from zfpipe.subject.subject import Crops, Subject
from zfpipe.unavailable import UnavailableError

PAGE = ROOT / "docs/library.md"
HEAD = "| network | strongest | project | occlude | invariance | atlas | look |\n|---|---|---|---|---|---|---|\n"
DOWN = Deconvnet(unpooling="sum", norm="skip")


class Images(Subject):
    """Hold a network and two pictures, which are in no beton."""

    @property
    def classes(self) -> list[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return [str(number) for number in range(1000)]

    def images(self, ids: Any, crop: int | None = None) -> Crops:
        photo = torch.from_numpy(draw(0, "val", 1).pixels[: self.crop, : self.crop].copy())
        return Crops(torch.stack([photo, photo.flip(1)]), torch.zeros(2, dtype=torch.int64), {0: 0, 1: 1})

    @contextmanager
    def batches(self, *given: Any) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        yield SimpleNamespace(images=2)


def atlas(network: Any, side: int, folder: Path) -> str:
    """Write the pipeline's atlas of two maps of each layer and of two classes; return whether that works."""
    anynet = AnyNet(network, side, [128.0] * 3, [64.0] * 3, None, {})
    inputs = MeanSubtraction(torch.full((10, side, side, 3), 128.0), torch.device("cpu"))
    subject = Images(anynet, inputs, folder, folder, side, side, params.load().model.init, 0)
    images = inputs(subject.images({0, 1}).batch([0, 1]))
    rows, last = [], anynet.architecture.denses[-1].layer
    for trace in anynet.trace(images):
        for found, map in ((activations.maxima(trace), map) for map in (0, 1)):
            for image in (0, 1):
                y, x = divmod(int(found.place[image, map]), found.width)
                activation = float(found.value[image, map])
                rows.append({"layer": found.layer, "map": map, "id": image, "activation": activation, "y": y, "x": x})
    maps = pd.DataFrame(rows).sort_values(["layer", "map", "activation"], ascending=[True, True, False])
    units = pd.DataFrame([{"layer": last, "unit": unit, "id": unit, "activation": 1.0} for unit in (0, 1)])
    tables = []
    for table, number in ((maps, "map"), (units, "unit")):
        table = table.assign(rank=table.groupby(["layer", number]).cumcount(), label=0)
        each = table.drop_duplicates(["layer", number])[["layer", number]]
        tables.append(walk.Found(table, each.assign(fires=1.0, mean=1.0, largest=1.0, kind="softmax")))
    try:
        walk.write(subject, tables[0], tables[1], DOWN, Drawing(99, side), folder)
    except UnavailableError:
        return "refused, as projections are"
    assert (folder / "index.html").exists()
    assert len(list(folder.glob("layer*_projections0.*"))) == len(anynet.calls) + 1
    return "works"


def row(name: str, folder: Path) -> str:
    """Run every method on a network; return the network's row."""
    network, side = torchvisions(name), 80 if name == "inception_v3" else 64
    microscope = Microscope(network, size=side)
    photo, last = draw(0, "val", 1).pixels, microscope.lens.main[-1]
    strongest = microscope.strongest([photo, photo[:, ::-1]], last, 2)
    assert strongest.activations.shape == (microscope.lens.shape(last)[0], 2)
    strong = int(strongest.activations[:, 0].argmax())
    try:
        assert microscope.project(photo, last, strong).pixels.any()
        projected = "works"
    except UserError as refusal:
        found = re.search(r"\((\w+)\) (is no ReLU|uses statistics of the image)", str(refusal))
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
    written = atlas(network, side, folder)
    assert (written == "works") is (projected == "works")
    return f"| {name} | works | {projected} | works | works | {written} | {seen} |\n"


@pytest.mark.parametrize("name", FOURTEEN)
def test_the_table_says_what_works(name: str, tmp_path: Path) -> None:
    assert row(name, tmp_path) in PAGE.read_text(), "the table is old; run python -m tests.microscope.test_table"


def test_the_table_has_every_network() -> None:
    assert HEAD in PAGE.read_text()
    assert PAGE.read_text().partition(HEAD)[2].partition("\n\n")[0].count("\n") == len(FOURTEEN) - 1


if __name__ == "__main__":
    before, _, after = PAGE.read_text().partition(HEAD)
    after = after[after.index("\n\n") + 1 :] if after else "\n"
    with TemporaryDirectory() as folder:
        PAGE.write_text(before + HEAD + "".join(row(name, Path(folder, name)) for name in FOURTEEN) + after)
