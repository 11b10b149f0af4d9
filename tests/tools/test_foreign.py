"""Test `zfpipe check` of a network that was trained elsewhere: layers, the input's range, a doubt if never right."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from tests.project import parameters
from zfpipe import params
from zfpipe.tools import check

HERE = "tests.tools.test_foreign:colours"
MODEL = {
    "source": HERE,
    "weights": "weights/colours.pth",
    "softmax": "own",
    "input_mean": [1, 1, 1],
    "input_std": [1, 1, 1],
}


def colours(num_classes: int = 2) -> nn.Sequential:
    """Return a network that tells blue from red by their amounts."""
    conv, last = nn.Conv2d(3, 2, 1, bias=False), nn.Linear(2, num_classes, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[0, 0, 1], [1, 0, 0]])[:, :, None, None])
        last.weight.copy_(torch.eye(num_classes, 2))
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    torch.save(colours().state_dict(), "weights/colours.pth")
    for split in ("train", "val"):
        for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
            folder = Path("pictures", split, name)
            folder.mkdir(parents=True)
            for number in range(10):
                Image.new("RGB", (20 + number, 20), colour).save(folder / f"{number}.png")
    write()
    return tmp_path


def write(**changes: object) -> None:
    parameters(watch=["model"], model=MODEL | changes)


def states() -> dict[str, tuple[str, str]]:
    return {finding.what: (finding.state, finding.found) for finding in check.check(params.load())}


def test_a_network_is_read_and_tried(project: Path) -> None:
    found = states()
    assert found["model.source"] == ("ok", "layers 1: 1, 2 maps of 96x96; units above 2: 2, 3: 2")
    assert found["accuracy"][0] == "ok"
    assert "right on 20 of 20 validation images" in found["accuracy"][1]
    assert "model.input_mean" in found  # a mean of 1 may be of the scale 0..1


def test_another_order_of_the_labels_is_doubted_and_can_be_given(project: Path) -> None:
    for split in ("train", "val"):
        for old, new in (("blue", "zaffre"), ("red", "crimson")):
            Path("pictures", split, old).rename(Path("pictures", split, new))
    state, words = states()["accuracy"]
    assert state == "note"
    assert "right on 0 of 20" in words
    assert "fewer than by chance: do labels and network have the same order of classes (pictures.order)" in words
    Path("pictures/order.txt").write_text("zaffre\ncrimson\n")
    settings = params.load()
    settings = settings.model_copy(update={"pictures": settings.pictures.model_copy(update={"order": "order.txt"})})
    found = {finding.what: finding for finding in check.check(settings)}
    assert "right on 20 of 20" in found["accuracy"].found


def test_a_network_that_can_not_be_read_or_has_other_classes_fails(project: Path) -> None:
    for split in ("train", "val"):
        Path("pictures", split, "red").rename(Path("pictures", split, "x"))
        Path("pictures", split, "extra").mkdir()
        Image.new("RGB", (20, 20)).save(Path("pictures", split, "extra/1.png"))
    assert states()["model.softmax"] == (
        "fails",
        "the network tells 2 classes, the pictures have 3; set model.softmax = new",
    )
    write(source="tests.tools.test_foreign:nothing")
    state, words = states()["model.source"]
    assert (state, "nothing" in words, "\n" in words) == ("fails", True, False)
