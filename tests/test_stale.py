"""Test that results follow changes that DVC does not see by itself: run the guide's recipes, then change something."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.clone import Clone
from tests.imports import ROOT
from tests.project import draw


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone", workers=1)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit(clone: Clone, **changes: Any) -> None:
    """Change parameters: dictionaries in part, others as a whole."""
    path, yaml = clone.folder / "params.yaml", YAML(typ="safe")
    tree = yaml.load(path.read_text())
    for name, value in changes.items():
        tree[name] = {**tree[name], **value} if isinstance(value, dict) else value
    with path.open("w") as file:
        yaml.dump(tree, file)


def classes(folder: Path) -> Path:
    """Make folders of pictures, one for each class, to which links such as `images/cats` of the guide lead."""
    for seed in range(4):
        draw(folder / f"all{seed}", seed)
        shutil.move(folder / f"all{seed}/train/cat", folder / f"class{seed}")
        for path in (folder / f"all{seed}/val/cat").iterdir():
            shutil.move(path, folder / f"class{seed}/val{path.name}")
    return folder


def test_images_behind_links_are_seen_when_they_change(clone: Clone, tmp_path: Path) -> None:
    source = classes(tmp_path / "elsewhere")
    images = clone.folder / "images"
    images.mkdir()
    for name, number in (("cats", 0), ("dogs", 1)):
        (images / name).symlink_to(source / f"class{number}")
    clone.run("python", "-m", "zfpipe", "profile", "folder")
    clone.run("dvc", "repro", "betons@train")
    beton = clone.folder / "data/betons/train.beton"
    before = digest(beton)
    assert "Running stage 'pictures'" not in clone.run("dvc", "repro", "betons@train")
    for name, number in (("cats", 2), ("dogs", 3)):  # now the links lead to other folders
        (images / name).unlink()
        (images / name).symlink_to(source / f"class{number}")
    clone.run("dvc", "repro", "betons@train")
    second = digest(beton)
    assert second != before
    for number in (2, 3):  # now the pictures in the linked folders change
        for path in sorted((source / f"class{number}").iterdir()):
            shutil.copy(source / f"class{number - 2}" / path.name, path)
    clone.run("python", "-m", "zfpipe", "repro", "betons@train")
    assert digest(beton) == before
    edit(clone, watch=[])
    said = clone.run("dvc", "repro", "betons@train", status=255)
    assert re.search(
        r"zfpipe: .*/images/cats is a link to a folder, into which DVC does not look: .* to watch in", said
    )
    assert "fails  pictures" in clone.run("python", "-m", "zfpipe", "check", status=1)


def test_a_change_in_the_code_of_the_users_network_is_seen(clone: Clone) -> None:
    guide = (ROOT / "docs/guide.md").read_text()
    (code,) = re.findall(r"```python\n(# nets.py\n.*?)```", guide, re.DOTALL)
    (save,) = re.findall(r'python -c "(import nets, torch; .*?)"', guide)
    (clone.folder / "nets.py").write_text(code)
    clone.run("python", "-c", save)
    edit(clone, model={"source": "nets:small", "weights": "weights/small.pth"})
    assert "zfpipe: params.yaml: watch = []; must include model" in clone.run("dvc", "repro", "pretrained", status=255)
    edit(clone, watch=["model"])
    clone.run("dvc", "repro", "pretrained")
    weights = clone.folder / "pretrained/model/weights.safetensors"
    before = digest(weights)
    assert "Running stage 'pretrained'" not in clone.run("dvc", "repro", "pretrained")
    (clone.folder / "nets.py").write_text(code.replace("nn.MaxPool2d(2)", "nn.MaxPool2d(3, 2)"))
    clone.run("dvc", "repro", "pretrained")
    assert digest(weights) != before
    (clone.folder / "pool.json").write_text("[2]")
    late = "    from late import pool\n    return nn.Sequential("
    reads = "import json\nfrom torch import nn\npool = nn.MaxPool2d(*json.load(open('pool.json')))\n"
    (clone.folder / "late.py").write_text(reads)
    late_code = code.replace("    return nn.Sequential(", late).replace("nn.MaxPool2d(2)", "pool")
    (clone.folder / "nets.py").write_text(late_code)
    clone.run("dvc", "repro", "pretrained")
    read = digest(weights)
    (clone.folder / "pool.json").write_text("[3, 2]")
    clone.run("dvc", "repro", "pretrained")
    assert digest(weights) != read
