"""Run the stage `correspondence` on a folder of pictures with a file of parts and one damaged picture."""

import json
from pathlib import Path

import pandas as pd
import pytest

from stages import correspondence
from tests import project
from zfpipe import params, paths
from zfpipe.network import weights
from zfpipe.network.architecture import merged

PARTS = {"right eye": (30, 30, 40, 38), "left eye": (60, 30, 70, 38), "nose": (46, 50, 56, 56)}


def test_a_file_of_parts_suffices_and_a_rejected_picture_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project.parameters(pictures={"parts": "parts.csv"}, correspondence={"images": 2, "random": 3})
    lines = ["image,part,x0,y0,x1,y1"]
    for path in project.draw(Path("pictures")):
        lines += [f"{path},{part},{','.join(map(str, sides))}" for part, sides in PARTS.items()]
    Path("pictures/parts.csv").write_text("\n".join(lines) + "\n")
    damaged = Path("pictures/val/dog/1.png")
    damaged.write_bytes(damaged.read_bytes()[:2000])
    project.prepare(monkeypatch)
    settings = params.load()
    network = weights.untrained(merged(settings.model, {"width": 0.05}), settings.crops.size, 2, seed=0)
    weights.save(network, paths.weights("zfnet"))
    project.run(monkeypatch, correspondence.main)
    described = json.loads((paths.CORRESPONDENCE / "images.json").read_text())["images"]
    assert len(described) == 2 and {one["size"] for one in described} == {10}
    table = pd.read_csv(paths.CORRESPONDENCE / "consistency.csv")
    assert set(table["part"]) == {*PARTS, "random"}
    assert set(table.query("set == 'all'")["images"]) == {5}, "five of the six pictures are undamaged"
    found, untrained = (pd.read_parquet(paths.CORRESPONDENCE / f"{name}.parquet") for name in ("pairs", "untrained"))
    pd.testing.assert_frame_equal(found, untrained, obj="a network that was never trained is its own null")
