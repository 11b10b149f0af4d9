"""Test the limits on classes and images of any set."""

import re

import pytest

from tests.pictures.ilsvrc import settings
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures.sources import limited

ENTRIES = [
    Entry(split, label, "abc"[label], f"{split}{label}{number}", 1, 1, labels=(label, 2))
    for split in ("train", "val")
    for label in range(3)
    for number in range(3)
]


def paths(classes: int | None, per_class: int | None) -> list[str]:
    return [entry.path for entry in limited(ENTRIES, settings(classes, per_class))]


def test_without_limits_all_of_a_set_is_kept() -> None:
    assert list(limited(ENTRIES, settings())) == ENTRIES
    assert list(limited(ENTRIES, settings(3, 9))) == ENTRIES


def test_a_limit_keeps_the_first_classes_in_both_splits() -> None:
    assert paths(2, None) == [entry.path for entry in ENTRIES if entry.label < 2]
    assert [entry.labels for entry in limited(ENTRIES, settings(2, 1))][:2] == [(0,), (1,)]


def test_a_limit_keeps_the_first_training_images_of_each_class() -> None:
    assert paths(None, 2)[:6] == ["train00", "train01", "train10", "train11", "train20", "train21"]
    assert paths(None, 2)[6:] == [entry.path for entry in ENTRIES if entry.split == "val"]


def test_a_limit_above_the_number_of_classes_is_refused() -> None:
    with pytest.raises(UserError, match=re.escape("pictures.classes = 4; must be at most 3")):
        paths(4, None)
