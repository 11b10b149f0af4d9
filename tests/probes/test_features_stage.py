"""Run the stages `activations`, `projections`, `names` and `features` on an untrained network, its own null."""

from pathlib import Path

import pandas as pd
import pytest

from stages import activations, features, names, projections
from tests import project
from zfpipe import params, paths, store
from zfpipe.network import weights
from zfpipe.network.architecture import merged


def test_a_network_that_was_never_trained_has_the_nulls_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project.parameters(pictures={"parts": "parts.csv"}, projections={"maps": 2, "strongest": 3})
    parts = [f"{path},nose,40,40,60,60" for path in project.draw(Path("pictures"))]
    Path("pictures/parts.csv").write_text("\n".join(["image,part,x0,y0,x1,y1", *parts]) + "\n")
    project.prepare(monkeypatch)
    settings = params.load()
    network = weights.untrained(merged(settings.model, {"width": 0.05}), settings.crops.size, 2, seed=0)
    weights.save(network, paths.weights("zfnet"))
    store.save(paths.EVOLUTION / "unavailable.txt", "no snapshots\n")
    for stage in (activations, projections, names, features):
        project.run(monkeypatch, stage.main)
    same = (
        (paths.STRONGEST, paths.STRONGEST_UNTRAINED),
        (paths.PROJECTIONS / "projections.parquet", paths.PROJECTIONS / "untrained/projections.parquet"),
        (paths.PROJECTIONS / "layer5.npy", paths.PROJECTIONS / "untrained/layer5.npy"),
        (paths.NAMES / "maps.csv", paths.NAMES / "untrained.csv"),
        (paths.FEATURES / "maps.csv", paths.FEATURES / "untrained.csv"),
    )
    for one, other in same:
        assert one.read_bytes() == other.read_bytes(), one
    assert "fine" in set(pd.read_csv(paths.FEATURES / "layers.csv")["measure"])
