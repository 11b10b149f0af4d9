"""Test the seeded split of a set that has no split."""

import shutil
from pathlib import Path

import pytest

from tests.pictures.layouts import image, settings
from zfpipe.errors import UserError
from zfpipe.pictures import folder


def found(root: Path, **changes: object) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = {"train": set(), "val": set()}
    for one in folder.entries(root, settings(source="folder", **changes)):
        splits[one.split].add(one.path)
    return splits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, count in (("ant", 20), ("bee", 10), ("cat", 2)):
        for number in range(count):
            image(tmp_path / "set" / name / f"{number}.png", seed=100 * len(name) + ord(name[0]) * 1000 + number)
    return tmp_path / "set"


def test_each_class_gives_its_share(root: Path) -> None:
    splits = found(root, val_share=0.2)
    for name, count in (("ant", 4), ("bee", 2), ("cat", 1)):
        assert sum(path.startswith(name) for path in splits["val"]) == count
    assert len(splits["train"] | splits["val"]) == 32
    assert not splits["train"] & splits["val"]
    assert splits == found(root, val_share=0.2)
    assert splits != found(root, val_share=0.2, seed=1)


def test_another_class_moves_no_image(root: Path) -> None:
    before = found(root)
    shutil.rmtree(root / "bee")
    assert found(root)["val"] == {path for path in before["val"] if not path.startswith("bee")}


def test_no_share_takes_all_of_a_class(root: Path) -> None:
    splits = found(root, val_share=0.9)
    assert [sum(path.startswith("cat") for path in paths) for paths in splits.values()] == [1, 1]


def test_each_class_is_split_differently(root: Path) -> None:
    shutil.copytree(root / "ant", root / "ape")
    val = found(root, val_share=0.5)["val"]
    ant, ape = ({path[4:] for path in val if path.startswith(name)} for name in ("ant", "ape"))
    assert len(ant) == len(ape) == 10
    assert ant != ape


def test_the_same_picture_twice_stays_on_one_side(root: Path) -> None:
    for number in range(20):
        shutil.copy(root / f"ant/{number}.png", root / f"ant/copy{number}.png")
    splits = found(root, val_share=0.5)
    for number in range(20):
        assert any({f"ant/{number}.png", f"ant/copy{number}.png"} <= paths for paths in splits.values())


def test_a_class_with_one_picture_is_refused(root: Path) -> None:
    shutil.copy(root / "cat/0.png", root / "cat/1.png")
    with pytest.raises(UserError, match="cat holds 1 different image; a class needs two"):
        found(root)
