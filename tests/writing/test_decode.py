"""Test that image files of every kind become the square that section 3 describes, or give a reason."""

import base64
import io
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.writing.plain import plain_square
from zfpipe.writing import decode
from zfpipe.writing.decode import UnreadableImageError, square


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ramp(height: int, width: int) -> Image.Image:
    """Return a picture in which rotations, shifts and swaps show.

    Red grows to the right, green downwards, blue is even.
    """
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], -1).astype(np.uint8))


def hard(kind: str, height: int = 375, width: int = 500) -> Image.Image:
    """Return a picture on which decoders and filters differ most."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    if kind == "noise":
        return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))
    if kind == "edges":
        checks = (x // 3 + y // 3) % 2 * 255
        return Image.fromarray(np.stack([checks, 255 - checks, checks], -1).astype(np.uint8))
    saturated = np.zeros((height, width, 3), np.uint8)
    saturated[:, ::7] = (255, 0, 0)
    saturated[::5] = (0, 0, 255)
    saturated[(x * x + y * y) % 97 < 20] = (0, 255, 255)
    return Image.fromarray(saturated)


# The fast decoder against Pillow alone


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"keep_rgb": True}])
@pytest.mark.parametrize("kind", ["noise", "edges", "saturated"])
@pytest.mark.parametrize(("height", "width"), [(375, 500), (501, 333), (41, 73)])
def test_pixels_are_those_of_pillow(kind: str, options: dict[str, Any], height: int, width: int) -> None:
    data = encoded(hard(kind, height, width), "JPEG", quality=85, **options)
    apart = np.abs(square(data, 256).astype(int) - plain_square(data, 256))
    assert apart.max() <= 1
    assert apart.mean() <= 0.3


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"mode": "L"}, {"mode": "P"}]
)
def test_progressive_grey_and_palette_files_match_pillow(options: dict[str, Any]) -> None:
    image = hard("saturated").convert(options.pop("mode", "RGB"))
    data = encoded(image, "PNG" if image.mode == "P" else "JPEG", **options)
    assert np.abs(square(data, 64).astype(int) - plain_square(data, 64)).max() <= 1


def test_ordinary_jpegs_use_the_fast_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "pillow_pixels", None)
    for mode in ("RGB", "L"):
        assert square(encoded(ramp(30, 40).convert(mode), "JPEG"), 16).shape == (16, 16, 3)


def test_the_number_of_threads_changes_no_pixel() -> None:
    files = [encoded(hard(kind, 90, 120), "JPEG", quality=70 + number) for number in range(8) for kind in ("noise", "")]
    alone = [square(data, 64) for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: square(data, 64), files * 3))
    for got, expected in zip(together, alone * 3, strict=True):
        np.testing.assert_array_equal(got, expected)


# Unusual files that are complete


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG", "GIF"])
def test_every_format_is_read(kind: str) -> None:
    image = ramp(32, 32)
    lossy = {"WEBP": 20, "JPEG": 20, "GIF": 50}.get(kind, 0)
    got = square(encoded(image, kind), 32)
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - np.asarray(image)).max() <= lossy


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "LAB"])
def test_every_mode_is_read(mode: str) -> None:
    """Black to white in any mode becomes black to white in RGB."""
    grey = Image.fromarray(np.where(np.arange(32)[None] < 16, 0, 255).astype(np.uint8).repeat(32, 0))
    if mode.startswith("I"):
        stored = Image.fromarray(np.asarray(grey).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    elif mode == "LAB":
        levels = np.asarray(grey)
        stored = Image.frombytes("LAB", (32, 32), np.stack([levels, levels * 0, levels * 0], -1).tobytes())
    else:
        stored = grey.convert(mode)
    assert stored.mode == mode
    kinds = {"CMYK": "JPEG", "YCbCr": "JPEG", "I": "PPM"}  # Pillow opens a PGM of 16 bits as 32 bits
    got = square(encoded(stored, kinds.get(mode, "TIFF")), 32)
    assert np.abs(got.astype(int) - np.asarray(grey)[:, :, None]).max() <= 3


@pytest.mark.parametrize("white", [1, 255, 65535, 2**31 - 128])
@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"])
def test_values_without_a_known_white_are_refused(white: int, kind: type, exif: bytes) -> None:
    """Without scaling, values from 0 to 1 would be black, and values from 0 to 65535 white."""
    levels = np.linspace(0, white, 32 * 32).reshape(32, 32).astype(kind)
    with pytest.raises(UnreadableImageError, match="32 bits a channel"):
        square(encoded(Image.fromarray(levels), "TIFF", exif=exif), 32)


def deep_png(levels: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a channel, grey, RGB or RGBA, which Pillow can't write."""
    height, width, channels = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_twelve_bits_in_sixteen_are_refused_not_black(channels: int) -> None:
    levels = np.linspace(0, 4095, 32 * 32).reshape(32, 32, 1).repeat(channels, 2)
    if channels == 4:
        levels[..., 3] = 65535
    with pytest.raises(UnreadableImageError, match="12 bits or fewer in 16"):
        square(deep_png(levels), 32)
    levels[..., :3] *= 16
    got = square(deep_png(levels), 32)
    assert np.abs(got - levels[..., :3] / 257).max() <= 1


def tiff(tags: dict[int, int], samples: int, order: str = "<") -> bytes:
    """Return an uncompressed TIFF of 16 bits and 8 x 8 pixels, in one strip, or for planes in a strip a channel."""
    planes = samples if tags.get(284) == 2 else 1
    size = 8 * 8 * 2 * samples // planes
    fields = {256: [8], 257: [8], 258: [16] * samples, 259: [1], 262: [1 if samples == 1 else 2], 277: [samples]}
    fields |= {278: [8], 279: [size] * planes, 284: [1]} | {tag: [value] for tag, value in tags.items()}
    head = 8 + 2 + 12 * (len(fields) + 1) + 4
    fields[273] = [head + 64 + size * plane for plane in range(planes)]
    entries, after = b"", b""
    for tag, values in sorted(fields.items()):
        packed = b"".join(struct.pack(f"{order}H", value) for value in values)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", head + len(after))
        after += packed if len(packed) > 4 else b""
        entries += struct.pack(f"{order}HHI", tag, 3, len(values)) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    levels = (np.arange(8 * 8 * samples) * (65535 // (8 * 8 * samples))).astype(f"{order}u2")
    start = mark + struct.pack(f"{order}IH", 8, len(fields)) + entries + bytes(4)
    return start + after.ljust(64, b"\0") + levels.tobytes()


def test_grey_of_16_bits_in_either_order_of_bytes() -> None:
    little, big = (square(tiff({}, 1, order), 8) for order in "<>")
    np.testing.assert_array_equal(little, big)
    assert little.max() > 240


@pytest.mark.parametrize(("tags", "samples"), [({262: 0}, 1), ({284: 2}, 3)], ids=["white is 0", "planes"])
def test_deep_tiffs_that_pillow_garbles_are_refused(tags: dict[int, int], samples: int) -> None:
    with pytest.raises(UnreadableImageError, match="16 bits in planes, or with white as 0"):
        square(tiff(tags, samples), 8)


def test_jpeg_2000_of_more_than_8_bits_a_colour_is_refused() -> None:
    """Pillow turns the white of such a file black."""
    data = bytearray(encoded(ramp(32, 32), "JPEG2000"))
    assert square(bytes(data), 32).shape == (32, 32, 3)
    place = data.index(b"\xff\x4f\xff\x51") + 42
    for channel in range(3):
        data[place + 3 * channel] = 15
    with pytest.raises(UnreadableImageError, match="JPEG 2000 of more than 8 bits a colour"):
        square(bytes(data), 32)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC, as iPhones write it"),
        (b"\0\0\0\x1cftypmif1", "HEIC"),
        (b"\0\0\0\x20ftypisom", "a film"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "a git-lfs pointer"),
        (b"%PDF-1.7", "a PDF"),
        (bytes(128) + b"DICM", "a DICOM file"),
    ],
)
def test_files_that_people_take_for_images_are_named(start: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        square(start + bytes(200), 16)


def test_16_bits_are_scaled_and_not_clipped() -> None:
    levels = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    got = square(encoded(Image.fromarray(levels)), 32)
    np.testing.assert_array_equal(got, np.round(levels[:, :, None] / 257).repeat(3, 2))


def test_transparent_pixels_lie_on_white() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :8] = (200, 0, 0, 255)
    pixels[:, 8:12] = (0, 0, 0, 0)
    pixels[:, 12:] = (0, 0, 0, 127)
    got = square(encoded(Image.fromarray(pixels)), 16)
    assert [got[5, x].tolist() for x in (0, 9, 14)] == [[200, 0, 0], [255, 255, 255], [128, 128, 128]]
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert square(encoded(palette, transparency=0), 16)[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_of_the_camera_is_applied(orientation: int, kind: str) -> None:
    upright = np.asarray(ramp(32, 32))
    # EXIF defines how each orientation stores an upright picture.
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
    got = square(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif), 32)
    assert np.abs(got.astype(int) - upright).max() <= (0 if kind == "PNG" else 20)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(9)])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_unreadable_exif_does_not_cost_the_picture(exif: bytes, kind: str) -> None:
    plain = square(encoded(ramp(32, 40), kind), 32)
    np.testing.assert_array_equal(square(encoded(ramp(32, 40), kind, exif=exif), 32), plain)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_damaged_exif_does_not_cost_the_rotation(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 3, 72.0
    upright = square(encoded(ramp(32, 32).rotate(180), kind, exif=exif), 32)
    damaged = exif.tobytes().replace(b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02")  # declares a number as text
    assert damaged != exif.tobytes()
    np.testing.assert_array_equal(square(encoded(ramp(32, 32).rotate(180), kind, exif=damaged), 32), upright)
    assert np.abs(upright.astype(int) - np.asarray(ramp(32, 32))).max() <= 20


def test_cmyk_and_ycck_are_read() -> None:
    image = ramp(32, 32)
    expected = np.asarray(image).astype(int)
    cmyk = encoded(image.convert("CMYK"), "JPEG", quality=95)
    assert np.abs(square(cmyk, 32) - expected).max() <= 12
    # Pillow can't write YCCK. The channels are put together here, and the Adobe marker names their kind.
    ycc = 255 - np.asarray(Image.fromarray(255 - np.asarray(image)).convert("YCbCr"))
    channels = Image.fromarray(np.dstack([ycc, np.zeros((32, 32), np.uint8)]), "CMYK")
    ycck = bytearray(encoded(channels, "JPEG", quality=95))
    ycck[ycck.index(b"Adobe") + 11] = 2
    assert np.abs(square(bytes(ycck), 32) - expected).max() <= 12


def test_arithmetic_coding_is_read() -> None:
    """The file is a 32x32 ramp at quality 90, written by libjpeg-turbo, since Pillow can't write this coding."""
    assert b"\xff\xc9" in ARITHMETIC
    assert np.abs(square(ARITHMETIC, 32).astype(int) - np.asarray(ramp(32, 32))).max() <= 8


ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X"
    "GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/yQAR"
    "CAAgACADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AOZ7+xpkZF7zoBU0AwjswRu4NL0VpwUA262Uz1GhW90tb4uaFQ3p"
    "xXjVft7AN2NncyHDehBMVhEmzIQ/5nQii08kIqKNqLHco7veAb75MSGG+OqqMpdNVuTob2gXhYso5l9Y31wYsyzJ+vKw/9k="
)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_read(kind: str) -> None:
    first = encoded(ramp(32, 32), kind, save_all=True, append_images=[Image.new("RGB", (32, 32), "red")] * 2)
    assert np.abs(square(first, 32).astype(int) - np.asarray(ramp(32, 32))).max() <= (50 if kind == "GIF" else 20)


def test_extra_bytes_in_a_jpeg_do_no_harm() -> None:
    data = encoded(ramp(64, 64), "JPEG")
    expected = square(data, 32)
    comment = b"\xff\xfe\x00\x06text"
    for odd in (
        data + b"garbage" * 99,
        data + data[:50],
        data[:-2] + b"abcd" + data[-2:],
        data[:2] + comment + data[2:],
    ):
        np.testing.assert_array_equal(square(odd, 32), expected)


@pytest.mark.parametrize(("height", "width"), [(64, 200), (200, 64), (64, 65), (64, 64)])
def test_the_centre_square_is_kept(height: int, width: int) -> None:
    y, x = np.mgrid[:height, :width]
    side = min(height, width)
    got = square(encoded(Image.fromarray(np.stack([x, y, x * 0], -1).astype(np.uint8))), side)
    # A pixel shows its coordinate, up to half a pixel if the margins are uneven.
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
    """Eight stripes across the short side stay eight: the whole short side is kept, shrunk or enlarged."""
    for side in (40, 80, 400):
        stripes = np.zeros((side, 2 * side), np.uint8)
        stripes[np.arange(side) * 8 // side % 2 == 1] = 255
        got = square(encoded(Image.fromarray(stripes)), 80)
        assert (np.diff((got[:, 40, 0] > 127).astype(int)) != 0).sum() == 7


def test_small_images_are_enlarged_smoothly() -> None:
    got = square(encoded(Image.fromarray(np.array([[0, 255], [0, 255]], np.uint8))), 64)
    assert got.shape == (64, 64, 3)
    assert len(np.unique(got)) > 16


def test_one_pixel_and_long_strips_are_resized() -> None:
    assert square(encoded(Image.new("RGB", (1, 1), (1, 2, 3))), 16).reshape(-1, 3).tolist() == [[1, 2, 3]] * 256
    for kind in ("PNG", "JPEG"):
        for size in ((5000, 1), (1, 5000), (5000, 20), (20, 5000)):
            got = square(encoded(Image.new("RGB", size, (90, 90, 90)), kind), 16)
            assert got.tolist() == np.full((16, 16, 3), 90).tolist()


# Files that are refused


JPEGS = {
    "baseline": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 2},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_cut_anywhere_is_refused(name: str) -> None:
    options = dict(JPEGS[name])
    data = encoded(ramp(300, 400).convert(options.pop("mode", "RGB")), "JPEG", **options)
    assert square(data, 16).shape == (16, 16, 3)
    for length in (*(len(data) * part // 20 for part in range(20)), len(data) - 2, len(data) - 1):
        with pytest.raises(UnreadableImageError, match=r"empty|[Tt]runcated|Premature end|damaged header"):
            square(data[:length], 16)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
def test_other_files_cut_anywhere_are_refused(kind: str) -> None:
    data = encoded(hard("noise", 30, 40), kind)
    for part in range(20):
        with pytest.raises(UnreadableImageError):
            square(data[: len(data) * part // 20], 16)


def test_a_jpeg_with_a_hole_is_refused() -> None:
    """The end of the file is there, so that Pillow alone would silently give grey."""
    data = encoded(hard("noise", 100, 100), "JPEG")
    for start in (1000, 3000, 5000):
        holed = data[:start] + data[start + 700 :]
        with pytest.raises(UnreadableImageError, match=r"premature end|bad Huffman"):
            square(holed, 16)
    half = data[: len(data) // 2] + b"\xff\xd9"
    assert plain_square(half, 16).shape == (16, 16, 3)
    with pytest.raises(UnreadableImageError, match="premature end"):
        square(half, 16)


def sized(data: bytes, kind: str, side: int) -> bytes:
    """Return a file whose header gives another size than the file has."""
    big = bytearray(data)
    if kind == "JPEG":
        place = data.index(b"\xff\xc0") + 5
        big[place : place + 4] = struct.pack(">HH", side, side)
    elif kind == "PNG":
        big[16:24] = struct.pack(">II", side, side)
        big[29:33] = struct.pack(">I", zlib.crc32(bytes(big[12:29])))
    elif kind == "GIF":
        big[6:10] = struct.pack("<HH", side, side)
    else:
        big[18:26] = struct.pack("<ii", side, side)
    return bytes(big)


def test_a_telephones_photograph_of_108_megapixels_is_read() -> None:
    assert square(encoded(Image.new("RGB", (12_000, 9_000), (9, 90, 200)), "JPEG"), 16).shape == (16, 16, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
@pytest.mark.parametrize("side", [14_500, 30_000])
@pytest.mark.filterwarnings("ignore")
def test_a_bomb_is_refused_by_its_header(kind: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for decoder in ("jpeg_pixels", "pillow_pixels"):
        monkeypatch.setattr(decode, decoder, None)
    with pytest.raises(UnreadableImageError) as raised:
        square(sized(encoded(ramp(16, 16), kind), kind, side), 16)
    assert str(raised.value) == "more than 210,000,000 pixels"


def with_frame(change: dict[int, int]) -> bytes:
    """Return a JPEG with some bytes of its frame header changed."""
    data = bytearray(encoded(ramp(32, 32), "JPEG"))
    frame = data.index(b"\xff\xc0")
    for place, value in change.items():
        data[frame + place] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404 not found</html>", "a web page, not an image"),
        (bytes(1000), "not an image in a known format"),
        (np.random.default_rng(0).bytes(5000), "not an image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "a PDF, PostScript"),
        (with_frame({4: 12}), "rare kind"),
        (with_frame({1: 0xC3}), "broken data stream"),
        (encoded(ramp(64, 64), "JPEG")[:-300], "Premature end of JPEG file"),
        (encoded(ramp(64, 64))[:90], "truncated|broken|Truncated"),
    ],
    ids=["empty", "html", "zeros", "random", "program", "12 bits", "lossless", "cut jpeg", "cut png"],
)
def test_a_refusal_gives_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        square(data, 16)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
def test_damaged_files_give_a_square_or_a_reason(kind: str) -> None:
    """Whatever a decoder raises becomes a reason of one line, without addresses in memory and without file names."""
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
