"""Image files of every kind become the square that section 3 describes, or a reason why not."""

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zfpipe.betons.decode import UnreadableImageError, square


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ramp(height: int, width: int) -> Image.Image:
    """Red grows to the right, green downwards, blue is even: every rotation, shift and swap shows."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], -1).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG", "GIF"])
def test_formats(kind: str) -> None:
    image = ramp(32, 32)
    lossy = {"WEBP": 20, "JPEG": 20, "GIF": 50}.get(kind, 0)
    got = square(encoded(image, kind), 32)
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - np.asarray(image)).max() <= lossy


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F", "LAB"])
def test_modes(mode: str) -> None:
    """Black to white in any mode comes out as black to white in RGB."""
    grey = Image.fromarray(np.where(np.arange(32)[None] < 16, 0, 255).astype(np.uint8).repeat(32, 0))
    if mode.startswith("I"):
        stored = Image.fromarray(np.asarray(grey).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    elif mode == "LAB":
        levels = np.asarray(grey)
        stored = Image.frombytes("LAB", (32, 32), np.stack([levels, levels * 0, levels * 0], -1).tobytes())
    else:
        stored = grey.convert(mode)
    assert stored.mode == mode
    got = square(encoded(stored, "JPEG" if mode in ("CMYK", "YCbCr") else "TIFF"), 32)
    assert np.abs(got.astype(int) - np.asarray(grey)[:, :, None]).max() <= 3


def test_16_bits_are_scaled_and_not_clipped() -> None:
    levels = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    got = square(encoded(Image.fromarray(levels)), 32)
    np.testing.assert_array_equal(got, np.round(levels[:, :, None] / 257).repeat(3, 2))


def test_what_is_transparent_lies_on_white() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :8] = (200, 0, 0, 255)
    pixels[:, 8:12] = (0, 0, 0, 0)
    pixels[:, 12:] = (0, 0, 0, 127)
    got = square(encoded(Image.fromarray(pixels)), 16)
    assert [got[5, x].tolist() for x in (0, 9, 14)] == [[200, 0, 0], [255, 255, 255], [128, 128, 128]]
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert square(encoded(palette, transparency=0), 16)[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_of_the_camera_is_applied(orientation: int) -> None:
    upright = np.asarray(ramp(32, 32))
    # As EXIF defines it: what has to be done to an upright picture to get the stored one
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = square(encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif), 32)
    np.testing.assert_array_equal(got, upright)


@pytest.mark.parametrize(("height", "width"), [(64, 200), (200, 64), (64, 65), (64, 64)])
def test_the_centre_square_is_kept(height: int, width: int) -> None:
    y, x = np.mgrid[:height, :width]
    side = min(height, width)
    got = square(encoded(Image.fromarray(np.stack([x, y, x * 0], -1).astype(np.uint8))), side)
    # The coordinate that a pixel shows, up to half a pixel where the margins are uneven
    left, top = (width - side) / 2, (height - side) / 2
    rows, columns = np.mgrid[:side, :side]
    assert np.abs(got[..., 0] - (columns + left)).max() <= 0.5 + (width % 2)
    assert np.abs(got[..., 1] - (rows + top)).max() <= 0.5 + (height % 2)


def test_shrinking_is_antialiased() -> None:
    checks = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    got = square(encoded(Image.fromarray(checks)), 64)
    assert got.min() > 110  # every pixel is a mean of black and white; sampling would give black or white
    assert got.max() < 145


def test_the_shortest_side_is_resized() -> None:
    """Eight stripes over the short side stay eight: the whole of it is kept, shrunk or enlarged."""
    for side in (40, 80, 400):
        stripes = np.zeros((side, 2 * side), np.uint8)
        stripes[np.arange(side) * 8 // side % 2 == 1] = 255
        got = square(encoded(Image.fromarray(stripes)), 80)
        assert (np.diff((got[:, 40, 0] > 127).astype(int)) != 0).sum() == 7


def test_small_images_are_enlarged_smoothly() -> None:
    got = square(encoded(Image.fromarray(np.array([[0, 255], [0, 255]], np.uint8))), 64)
    assert got.shape == (64, 64, 3)
    assert len(np.unique(got)) > 16


def test_one_pixel_and_long_strips() -> None:
    assert square(encoded(Image.new("RGB", (1, 1), (1, 2, 3))), 16).reshape(-1, 3).tolist() == [[1, 2, 3]] * 256
    assert square(encoded(Image.new("RGB", (5000, 1), (1, 2, 3))), 16).shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404 not found</html>", "not an image in a known format"),
        (encoded(ramp(64, 64), "JPEG")[:-300], "truncated"),
        (encoded(ramp(64, 64))[:90], "truncated|broken|Truncated"),
    ],
    ids=["empty", "html", "cut jpeg", "cut png"],
)
def test_reasons(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        square(data, 16)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "ICO", "PPM"])
def test_damaged_files_give_a_square_or_a_reason(kind: str) -> None:
    """Whatever a decoder raises is a reason that names no place in memory, no file, and is one line."""
    whole = encoded(ramp(48, 64), kind)
    random = np.random.default_rng(1)
    refused = 0
    for trial in range(150):
        data = bytearray(whole[: random.integers(1, len(whole))] if trial % 2 else whole)
        for place in random.integers(0, min(len(data), 300), 4):
            data[place] = random.integers(256)
        try:
            assert square(bytes(data), 16).shape == (16, 16, 3)
        except UnreadableImageError as error:
            refused += 1
            assert not re.search(r"0x[0-9a-f]|\n|/\w+/", str(error)), str(error)
            assert str(error)
    assert refused > 20


def test_a_decoder_that_raises_anything_gives_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Image.Image) -> None:
        raise RuntimeError("<object at 0x7f0123456789>\nof /home/somebody/file")

    data = encoded(ramp(16, 16))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", broken)
    with pytest.raises(UnreadableImageError) as raised:
        square(data, 16)
    assert str(raised.value) == "RuntimeError: <object at 0x...> of file"
