"""Test `zfpipe look`: a page from any folder, what a run adds to the page, and every mistake in one line."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image

from tests.networks import small_network
from zfpipe import paths, store
from zfpipe.__main__ import main
from zfpipe.drawing.picture import draw
from zfpipe.microscope import gallery
from zfpipe.network import weights

NET = ["--net", "torchvision.models:resnet18", "--size", "64", "--weights", "net.pth"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is no project, with a photo."""
    Image.fromarray(draw(0, "val", 3).pixels).resize((90, 130)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(classes: int = 5) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=classes).state_dict(), "net.pth")


def look(monkeypatch: pytest.MonkeyPatch, *words: str) -> str | None:
    """Return the words that the command ends with, or None if the command ends well."""
    monkeypatch.setattr(sys, "argv", ["zfpipe", "look", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return str(ended.value.code) if ended.value.code else None


def test_a_foreign_network_gives_a_page_outside_a_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save()
    Image.fromarray(draw(0, "val", 4).pixels).save("other one.jpg")
    assert look(monkeypatch, "photo.png", "other one.jpg", *NET, "--class", "2", "--maps", "3", "--out", "seen") is None
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("photo.png: ")
    assert said[-1] == "seen/index.html"
    text = Path("seen/index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text), "the page must be a single file"
    assert text.count("<section") == text.count('<image id="image') == 2
    assert text.count('class="peak"') == 2 * 5 * 3
    assert "layer4.1.relu_1" in text
    assert text.count("</b> depends on:") == 4, "of the best class, and of the one that is asked for"
    assert "resnet18" in text


def test_layers_can_be_chosen_and_a_network_without_relus_is_not_projected(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.efficientnet_b0(num_classes=4).state_dict(), "net.pth")
    net = [word.replace("resnet18", "efficientnet_b0") for word in NET]
    assert (
        look(monkeypatch, "photo.png", *net, "--layers", "features.0.2", "features.3.0.block.0.2", "--maps", "2")
        is None
    )
    text = Path("look/index.html").read_text()
    assert text.count('class="peak"') == 4
    assert "(SiLU) is no ReLU" in text
    assert "Its projection" not in text


@pytest.mark.parametrize("atlas", [True, False])
def test_a_run_adds_its_nine_strongest_images(atlas: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network("zfnet", 64)
    network.input_scale = 1.0
    weights.save(network, paths.weights("zfnet"))
    sidecar = {"sha256": "", "bytes": 0, "count": 4, "rejected": 0, "classes": list("abcde"), "resize": 72}
    store.save(paths.sidecar("val"), sidecar | {"write_mode": "raw"})
    store.save(paths.MEAN, np.full((72, 72, 3), 118, np.float32))
    if atlas:
        store.save(paths.ATLAS / "index.html", "")
    assert look(monkeypatch, "photo.png", "--maps", "2") is None
    text = Path("look/index.html").read_text()
    assert "activations/strongest.parquet is not there: no strongest images; make it: dvc repro activations" in text
    assert "atlas" not in text.replace("page.css", "")

    rows = [(layer, map, id, 3.0 - id, 1, 1) for layer in range(1, 6) for map in range(12) for id in range(4)]
    store.save(paths.STRONGEST, pd.DataFrame(rows, columns=["layer", "map", "id", "activation", "y", "x"]))
    paths.beton("val").touch()

    class Subject:
        def __init__(self) -> None:
            self.network = network

        def images(self, ids: set[int]) -> gallery.Crops:
            assert ids == {0, 1, 2}, "the fourth image, with an activation of zero, must be left out"
            pixels = torch.zeros(3, 64, 64, 3, dtype=torch.uint8)
            return gallery.Crops(pixels, torch.zeros(3), {0: 0, 1: 1, 2: 2})

    monkeypatch.setattr(gallery.params, "load", lambda: None)
    monkeypatch.setattr(gallery.Subject, "open", lambda _: Subject())
    assert look(monkeypatch, "photo.png", "--maps", "2", "--run", "zfnet") is None
    text = Path("look/index.html").read_text()
    assert text.count("its nine strongest images") == text.count('class="peak"') > 5
    assert ('href="../reports/atlas/index.html#1/' in text) is atlas


MISTAKES = [
    (["nowhere.jpg", *NET], "nowhere.jpg: no such file; must be a photo"),
    (["net.pth", *NET], "net.pth can't be read: not an image in a known format"),
    (
        ["photo.png"],
        "no network: .* has no models/zfnet/weights.safetensors; must be --net MODULE:FUNCTION",
    ),
    (["photo.png", "--run", "zfnet-x"], "models/zfnet-x/weights.safetensors not found in .* dvc repro train@zfnet-x"),
    (
        ["photo.png", "--net", "torchvision.models:vgg16"],
        r"""--weights FILE: no such file; save them: python -c "import torch, torchvision.models; """
        r"""torch.save\(torchvision.models.vgg16\(weights='DEFAULT'\).state_dict\(\), 'vgg16.pth'\)"$""",
    ),
    (["photo.png", "--net", "torchvision.models:resnet81", "--weights", "net.pth"], "has no attribute 'resnet81'"),
    (
        ["photo.png", "--net", "torchvision.models:alexnet", "--weights", "net.pth"],
        "--weights net.pth does not hold the weights of .*tensors are missing",
    ),
    (["photo.png", *NET, "--layers", "layer9"], "layer 'layer9': there is no such layer"),
    (["photo.png", *NET, "--class", "9"], "class '9'; must be a number below 5"),
    (["photo.png", *NET, "--maps", "0"], "--maps 0; must be a whole number from 1"),
]


@pytest.mark.parametrize(("words", "expected"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_end_in_one_line(words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save()
    said = look(monkeypatch, *words)
    assert said is not None
    assert re.search(expected, said), said
    assert said.startswith("zfpipe: ")
    assert "\n" not in said
