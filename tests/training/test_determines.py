"""Test that whatever could change the result of a training run gives the run's state another folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages import pretrained, train
from tests import project
from tests.foreign.test_imported import plain
from zfpipe import params, paths, store
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.foreign import imported
from zfpipe.processes import distributed
from zfpipe.training import resume, run
from zfpipe.training.resume import ResumeState


class StopError(Exception):
    """Raised where training would begin."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that gives the folder of the state of zfnet, or of another run."""
    monkeypatch.chdir(tmp_path)
    project.parameters()
    project.draw(Path("pictures"))
    project.prepare(monkeypatch)
    project.run(monkeypatch, pretrained.main)
    found: list[Path] = []
    actual = ResumeState.__init__

    def keep(state: ResumeState, parent: Path, determines: dict[str, Any]) -> None:
        actual(state, parent, determines)
        found.append(state.folder)
        raise StopError

    monkeypatch.setattr(ResumeState, "__init__", keep)

    def known(run: str = "zfnet") -> Path:
        with pytest.raises(StopError):
            project.run(monkeypatch, train.main, run)
        return found[-1]

    return known


def test_whatever_changes_a_run_gives_its_state_another_folder(
    place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place()
    assert place() == first
    others = [place(run) for run in ("zfnet-seed1", "zfnet-seed2", "zfnet-unclipped", "alexnet")]
    for section, fields in (
        ("training", {"learning_rate": 0.004}),
        ("training", {"epochs": 8}),
        ("training", {"patience": 0.2}),
        ("training", {"anneal_at": [0.5]}),
        ("model", {"stride": 1}),
        ("model", {"dropout": 0.4}),
        ("crops", {"size": 80}),
        ("runs", {"zfnet": {"base": "model", "seed": 0, "snapshots": [1, 2]}}),
    ):
        project.parameters(**{section: fields})
        others.append(place())
    project.parameters(figures={"percentile": 98})
    assert place() == first, "a parameter of other stages must not move the state"
    monkeypatch.setattr(resume, "source_hash", lambda *folders: "other code")
    others.append(place())
    assert len({first, *others}) == 1 + len(others)


def test_other_images_or_another_torch_give_the_state_another_folder(
    place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.0")
        assert place() != first
    project.draw(Path("pictures"), seed=1)
    project.prepare(monkeypatch)
    assert place() != first


def test_only_the_first_process_reads_whole_betons(place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """On ImageNet a beton has hundreds of gigabytes. The first process tells the others what it found."""
    first, told = place(), [read_sidecar(paths.beton(split)) for split in ("train", "val")]
    monkeypatch.setattr(distributed, "part", lambda: (1, 2))
    monkeypatch.setattr(torch.distributed, "broadcast_object_list", lambda box: box.__setitem__(0, told))
    monkeypatch.setattr(run, "verify", lambda beton: pytest.fail(f"{beton} was read"))
    assert place() == first


def test_other_initial_weights_give_the_state_another_folder(place: Callable[..., Path]) -> None:
    source = {"source": "tests.foreign.test_imported:plain", "weights": "weights/net.pth"}
    project.parameters(watch=["model"], model=source)
    settings, found = params.load(), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        Path("weights").mkdir(exist_ok=True)
        torch.save(plain(3).state_dict(), "weights/net.pth")
        store.save_all(paths.pretrained("model"), imported.run(settings.model, settings.crops.size, {}, print))
        found.append(place())
    assert found[0] != found[1]
