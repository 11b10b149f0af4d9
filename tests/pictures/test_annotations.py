"""Test boxes of objects: which box counts, and in which pixels."""

import pytest

from tests.pictures.ilsvrc import xml
from zfpipe.errors import UserError
from zfpipe.index.images import Box
from zfpipe.pictures.annotations import Objects, first_box, parse_xml

DOG, CAT = "n02092002", "n02123045"


@pytest.mark.parametrize(
    ("objects", "box"),
    [
        # The whole image: pixels count from 0, and a box includes its last pixel.
        ([(DOG, (0, 0, 99, 49))], Box(0, 0, 100, 50)),
        ([(DOG, (0, 0, 100, 50))], Box(0, 0, 100, 50)),  # some boxes reach one pixel too far
        ([(CAT, (0, 0, 9, 9)), (DOG, (1, 2, 3, 4)), (DOG, (5, 5, 6, 6))], Box(1, 2, 4, 5)),
        ([("Scottish_deerhound", (1, 2, 3, 4))], Box(1, 2, 4, 5)),
        ([(CAT, (1, 2, 3, 4))], None),
        ([(DOG, (9, 2, 3, 4))], None),
        ([(DOG, (120, 2, 130, 4))], None),
        ([], None),
    ],
)
def test_the_first_box_of_the_class_counts(objects: list[tuple[str, tuple[float, ...]]], box: Box | None) -> None:
    assert first_box(parse_xml(xml(objects, (100, 50)), "x"), DOG, 100, 50) == box


def test_a_box_marked_at_another_size_is_scaled() -> None:
    marked = parse_xml(xml([(DOG, (10, 5, 19, 9))], (50, 25)), "x")
    assert first_box(marked, DOG, 100, 75) == Box(20, 15, 40, 30)


@pytest.mark.parametrize("size", [(0, 0), (-1, 5)])
def test_a_size_of_zero_means_the_images_own_size(size: tuple[int, int]) -> None:
    assert first_box(parse_xml(xml([(DOG, (1, 2, 3, 4))], size), "x"), DOG, 100, 50) == Box(1, 2, 4, 5)


def test_an_image_of_unknown_size_has_no_box() -> None:
    assert first_box(Objects(((DOG, (1, 2, 3, 4)),)), DOG, None, None) is None


@pytest.mark.parametrize("damage", [(b"<xmin>1", b"<xmin>"), (b"<xmin>1", b"<xmin>inf"), (b"</annotation>", b"")])
def test_damaged_xml_is_one_line(damage: tuple[bytes, bytes]) -> None:
    data = xml([(DOG, (1, 2, 3, 4))], (100, 50))
    assert damage[0] in data
    with pytest.raises(UserError, match=r"a\.xml is damaged") as error:
        parse_xml(data.replace(*damage), "a.xml")
    assert "\n" not in str(error.value)
