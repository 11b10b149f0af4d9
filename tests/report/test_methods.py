"""Test the sentences of the methods, also in docs/methods.md: they cover every parameter, with the values used."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe import paper, params
from zfpipe.report import methods
from zfpipe.report.methods import AS, OTHERWISE, SILENT
from zfpipe.tools import profiles

TREE = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "jpg": {"betons.write_mode": "jpg"},
    "another set": {
        "overlap.sets": {"caltech101": {"source": "caltech101", "root": "sets"}},
        "overlap.exclude": False,
        "pictures.source": "folder",
    },
    "a part of a set": {
        "pictures.source": "imagenet",
        "pictures.classes": 50,
        "pictures.parts": "parts.csv",
        "pictures.order": "names.txt",
    },
    "another convnet": {
        "watch": ["model"],
        "model.weights": "weights/vgg16.pth",
        "model.source": "torchvision.models:vgg16",
    },
    "unlike": {"model.renorm_radius": None, "alexnet.dropout": 0.5, "model.drop": [3]},
    "overwrite": {"deconvnet.unpooling": "overwrite", "deconvnet.norm": "gradient"},
    "downloaded": {"targets.caltech101.root": "/data/caltech101", "pictures.clutter": True},
    "few": {"occlusion.images": 50, "evaluation.train_images": None, "invariance.border": "replicate"},
}


def settings(changes: dict[str, Any]) -> params.Params:
    """Return the default parameters with some changes."""
    tree = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for name, value in changes.items():
        if name == "watch":
            tree[name] = value
            continue
        *sections, field = name.split(".")
        section = tree
        for one in sections:
            section = section[one]
        assert field in section
        section[field] = value
    return params.Params.model_validate(tree)


def told(changes: dict[str, Any]) -> list[methods.Choice]:
    return [choice for part in methods.parts(settings(changes)) for choice in part.choices]


def about(name: str, changes: dict[str, Any]) -> methods.Choice:
    (found,) = (choice for choice in told(changes) if name in choice.parameters)
    return found


def leaves(name: str, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [name]
    return [leaf for field, inside in value.items() for leaf in leaves(f"{name}.{field}", inside)]


def test_the_document_has_the_same_sentences() -> None:
    written = methods.markdown(settings({}))
    assert (ROOT / "docs/methods.md").read_text() == written, "run python -m zfpipe.report.methods > docs/methods.md"


def test_every_parameter_has_a_sentence() -> None:
    """For runs and ensembles, a sentence on the whole section is enough, and for AlexNet's subsections too."""
    named = {name for changes in VARIANTS.values() for choice in told(changes) for name in choice.parameters}
    for section, value in TREE.items():
        if section == "watch":  # `watch` decides what runs, not what is found
            continue
        if section in ("runs", "ensembles"):
            assert section in named
            continue
        for leaf in leaves(section, value):
            above = leaf.rsplit(".", 1)[0]
            assert leaf in named or (above in named and above.startswith("alexnet.")), f"no sentence names {leaf}"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_sentence_has_the_value_that_was_used(name: str) -> None:
    used = methods.values(settings(VARIANTS[name]))
    for choice in told(VARIANTS[name]):
        assert "{" not in choice.html and "{" not in choice.markdown, choice.markdown
        assert re.sub("<[^>]*>|`", "", str(choice.html)).replace("&#39;", "'") == choice.markdown.replace("`", "")
        for value in re.findall("<b>(.*?)</b>", choice.html):
            assert value in {methods.written(used[parameter]) for parameter in choice.parameters}, choice.markdown


def test_a_sentence_names_the_papers_value_if_ours_differs() -> None:
    same = about("training.momentum", {"training.epochs": 70, "training.batch": 128, "training.learning_rate": 0.01})
    assert same.standing == AS and "for 70 epochs in batches of 128" in same.markdown and "paper" not in same.markdown
    other = about("training.momentum", {"training.momentum": 0.8})
    assert other.standing == OTHERWISE and "momentum 0.8 (paper: 0.9)" in other.markdown
    assert '<b>0.8</b> <span class="theirs">(paper: 0.9)</span>' in other.html
    assert about("training.weight_decay", {}).standing == SILENT


def test_words_change_with_the_parameters() -> None:
    assert "as exact pixels" in about("betons.write_mode", {}).markdown
    assert "as JPEGs of quality 90" in about("betons.write_mode", VARIANTS["jpg"]).markdown
    assert "not clipped" in about("model.renorm_radius", VARIANTS["unlike"]).markdown
    assert "skipped" in about("deconvnet.norm", {}).markdown and about("deconvnet.norm", {}).standing == AS
    assert about("deconvnet.norm", VARIANTS["overwrite"]).standing == OTHERWISE
    assert "the last one is kept" in about("deconvnet.unpooling", VARIANTS["overwrite"]).markdown
    alike = {"alexnet.input_scale": settings({}).model.input_scale}
    first = about("model.dropout", alike), about("model.dropout", VARIANTS["unlike"])
    assert [choice.markdown.split(":")[0] for choice in first] == ["Both networks", "The network of Fig. 3"]
    assert "AlexNet: dropout of 0.5 on" in about("alexnet.dropout", VARIANTS["unlike"]).markdown


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml")))
def test_every_profile_has_its_methods(name: str, tmp_path: Path) -> None:
    """The values of the profile `imagenet` are the paper's own."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    profiles.apply(name, ROOT / "profiles", tmp_path / "params.yaml")
    used = params.load(tmp_path / "params.yaml")
    assert methods.parts(used)
    if name == "imagenet":
        values = methods.values(used)
        stated = paper.values()
        assert {parameter: values[parameter] for parameter in stated} == stated


def test_only_the_name_of_a_folder_is_shown() -> None:
    text = methods.markdown(settings({"pictures.source": "folder", "pictures.root": "/home/somebody/birds"}))
    assert "`birds`" in text and "somebody" not in text
