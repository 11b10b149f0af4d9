"""Test the sets of section 5.2 as they are downloaded, and as zfpipe draws them."""

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import SETTINGS
from tests.pictures.layouts import image, voc_set
from zfpipe.drawing.sets import SETS
from zfpipe.errors import UserError
from zfpipe.pictures import targets


@pytest.mark.parametrize("name", ["caltech101", "caltech256"])
def test_all_images_of_caltech_are_taken_without_a_split(name: str, tmp_path: Path) -> None:
    folders = {
        "caltech101": ("101_ObjectCategories", ("ant", "BACKGROUND_Google", "crab")),
        "caltech256": ("256_ObjectCategories", ("001.ak47", "002.american-flag", "257.clutter")),
    }
    base, classes = folders[name]
    for label, folder in enumerate(classes):
        for number in range(5):
            image(tmp_path / base / folder / f"image_{number:04d}.jpg", seed=5 * label + number)
    target = getattr(SETTINGS.targets, name).model_copy(update={"root": str(tmp_path)})
    assert not target.embedded
    found = list(targets.entries(name, target, 0, tmp_path / "nothing is drawn"))
    assert len({one.path for one in found}) == len(found) == 10
    assert sorted(Counter(one.label for one in found).items()) == [(0, 5), (1, 5)], "clutter must not be a class"


def test_voc_keeps_its_own_halves(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    target = SETTINGS.targets.voc2012.model_copy(update={"root": str(root)})
    found = list(targets.entries("voc2012", target, 0, tmp_path / "nothing is drawn"))
    assert {one.split for one in found} == {"train", "val"}
    assert all(one.label in (one.labels or one.difficult or ()) for one in found)
    assert any(not one.labels for one in found), (
        "images with difficult objects only must stay, as misses for the other classes"
    )


def test_a_folder_that_is_no_caltech_is_one_line(tmp_path: Path) -> None:
    target = SETTINGS.targets.caltech101.model_copy(update={"root": str(tmp_path)})
    with pytest.raises(UserError):
        list(targets.entries("caltech101", target, 0, tmp_path))


def test_embedded_sets_are_drawn_in_halves(tmp_path: Path) -> None:
    target = SETTINGS.targets.caltech256.model_copy(update={"pictures": 30})
    found = list(targets.entries("caltech256", target, 0, tmp_path))
    assert Counter(one.split for one in found) == {"train": 15, "val": 15}
    assert {one.class_name for one in found} == set(SETS["caltech256"])
    assert not set(SETS["caltech256"]) & set(SETS["pictures"]), "pre-training must not see a class of the target"
