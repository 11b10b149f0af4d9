"""Test the size read from a JPEG's first bytes against Pillow."""

import io

import pytest
from PIL import Image

from tests.pictures.ilsvrc import jpeg
from zfpipe.pictures.jpeg import jpeg_size


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"comment": b"-" * 3000},
        {"exif": b"Exif\0\0" + b"-" * 500},
        {"restart_marker_rows": 1},
    ],
)
def test_the_size_is_that_of_pillow(options: dict[str, object]) -> None:
    data = jpeg(123, 45, **options)
    assert jpeg_size(data) == Image.open(io.BytesIO(data)).size == (123, 45)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_the_size_of_grey_and_four_colours_is_read(mode: str) -> None:
    data = io.BytesIO()
    Image.new(mode, (12, 34)).save(data, "JPEG")
    assert jpeg_size(data.getvalue()) == (12, 34)


def test_bytes_that_show_no_size_give_none() -> None:
    data = jpeg(123, 45)
    frame = data.index(b"\xff\xc0")
    assert jpeg_size(data[: frame + 8]) is None
    assert jpeg_size(data[: frame + 9]) == (123, 45)
    assert jpeg_size(b"\x89PNG" + data) is None
    assert jpeg_size(data.replace(b"\xff\xc0", b"\xff\xc9")) is None
    assert jpeg_size(data[: frame + 4] + b"\x0c" + data[frame + 5 :]) is None
    assert jpeg_size(data[:frame] + b"\0" + data[frame + 1 :]) is None
    assert jpeg_size(data[: frame + 5] + b"\0\0" + data[frame + 7 :]) is None
