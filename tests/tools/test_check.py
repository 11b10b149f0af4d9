"""Test that `zfpipe check` finds each thing that would end a run before the run starts."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.imports import ROOT
from zfpipe import params, sections
from zfpipe.__main__ import main
from zfpipe.tools import check


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project on a folder of eight images of two classes."""
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("source: generated ", "source: folder ").replace("root: zfpipe/drawing ", "root: own ")
    (tmp_path / "params.yaml").write_text(text)
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 1)):
        for name in ("ant", "bee"):
            (tmp_path / "own" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (20, 30, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "own" / split / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def states() -> dict[str, tuple[str, str]]:
    return {finding.what: (finding.state, finding.found) for finding in check.check(params.load())}


def test_a_run_that_can_succeed_is_ok(project: Path) -> None:
    found = states()
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["pictures, train"][1] == "6 images of 2 classes; fewest: 3 of ant"
    assert "betons need 0.0 GiB" in found["disk"][1]


def test_the_embedded_pictures_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    held = check.images(params.load().pictures)
    assert (held.counts["train"].total(), held.counts["val"].total(), held.said) == (5000, 1000, [])


def test_a_damaged_image_and_a_missing_split_fail(project: Path) -> None:
    (project / "own/train/ant/0.png").write_bytes(b"no image")
    state, found = states()["images"]
    assert (state, "train/ant/0.png" in found) == ("fails", True)
    shutil.rmtree(project / "own/val")
    state, found = states()["pictures"]
    assert (state, "has no folder val/" in found) == ("fails", True)


def test_a_part_of_a_set_is_noted(project: Path) -> None:
    settings = params.load().pictures.model_copy(update={"source": "imagenette"})
    (finding,) = check.against_the_whole_set(settings, check.images(params.load().pictures).counts)
    assert finding.state == "note"
    assert finding.found == "has 9,469 training and 3,925 validation images of 10 classes: results are of a part"


def test_the_papers_sets_need_room_for_their_features(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = params.load()
    drawn = check.harvests(settings)
    real = settings.targets.caltech256.model_copy(update={"root": "256_ObjectCategories"})
    targets = settings.targets.model_copy(update={"caltech256": real})
    whole = check.harvests(settings.model_copy(update={"targets": targets}))
    more = 30_607 - settings.targets.caltech256.pictures
    images = sum(getattr(settings.targets, name).pictures for name in sections.TARGETS)
    assert whole == pytest.approx(drawn * (images + more) / images)
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda")
    assert check.harvests(settings) == drawn / 2


def test_too_little_disk_fails_and_too_little_memory_is_noted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    monkeypatch.setattr(check.os, "sysconf", lambda _: 1)
    found = states()
    assert found["disk"][0] == "fails"
    assert "make room, or betons.write_mode = jpg" in found["disk"][1]
    assert found["memory"][0] == "note"


def test_an_old_or_missing_library_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "ffcv":
            raise check.metadata.PackageNotFoundError
        return {"torch": "1.13", "torchvision": "0.29.2+cpu"}.get(name, "99")

    monkeypatch.setattr(check.metadata, "version", version)
    found = {finding.what: (finding.state, finding.found) for finding in check.libraries()}
    assert found["torch"] == ("fails", "1.13; needs 2.11 or newer; `make setup`")
    assert found["ffcv"] == ("fails", "not installed; `make setup`")
    assert found["torchvision"][0] == "ok"


def test_a_missing_device_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_DEVICE", "cuda:7")
    state, found = states()["device"]
    assert (state, "use cpu" in found) == ("fails", True)


@pytest.mark.parametrize(("broken", "status"), [(False, 0), (True, 1)])
def test_the_exit_status_tells_whether_something_fails(
    broken: bool, status: int, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    if broken:
        shutil.rmtree(project / "own")
    monkeypatch.setattr("sys.argv", ["zfpipe", "check"])
    with pytest.raises(SystemExit) as end:
        main()
    assert int(end.value.code or 0) == status
    assert len(capsys.readouterr().out.splitlines()) >= 8
