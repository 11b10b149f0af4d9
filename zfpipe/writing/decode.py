"""Decode image files of any kind to square RGB pixels (section 3: shortest side resized, centre square cut).

An ordinary JPEG is decoded by libjpeg-turbo (simplejpeg), any other file by Pillow. The pixels differ from Pillow's
decoder and bilinear filter by at most one grey level. Unusual files have these outcomes:

| file | outcome |
|---|---|
| grey, CMYK, YCCK, YCbCr, palette, 1 or 16 bits a channel | RGB; of 16 bits the 8 upper ones, rounded where grey |
| transparent | on white |
| animated | first frame |
| rotated by the camera (EXIF); EXIF that can't be read | upright; as it lies |
| progressive or arithmetic JPEG, restart markers, bytes after its end or between its parts | decoded |
| wrong extension | decoded: only the contents count |
| one pixel wide or high | enlarged |
| empty, HTML, HEIC, random bytes, a format not in `FORMATS` | refused |
| 32 bits a channel, float or whole: nothing says which number is white | refused |
| 16 bits a channel of which at most 12 are used, so that it would be black | refused |
| cut short, or a JPEG (not CMYK) with a hole in its data | refused, never filled with grey |
| 12-bit, lossless JPEG | refused |
| more pixels than `MOST_PIXELS` | refused by its header: nothing of that size is ever allocated |
"""

import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import simplejpeg
from PIL import Image, UnidentifiedImageError

from zfpipe.writing.resize import centre_square

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")
"""Pillow's names of the decoded formats; others are refused, since one of them starts a program (EPS)."""
MOST_PIXELS = 210_000_000
"""A telephone's 200 megapixels, which take 0.6 gigabytes of RGB in each worker."""
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
BITS, WHITE, PLANAR = 258, 262, 284
"""Tags of TIFF: bits a channel; a value of 0 if white is 0; a value of 2 if each channel has its own plane."""
DARK = 2**12
"""An image of 16 bits a channel whose numbers all lie below this has 12 bits in 16."""
KINDS = (
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "HEIC, as iPhones write it; make it a JPEG"),
    (rb".{4}ftypavi[fs]", "a damaged AVIF"),
    (rb"II[*+]|MM\0[*+]", "a TIFF that is damaged or of a rare kind, such as 64 bits or floats"),
    (rb".{4}ftyp", "a film, not an image"),
    (rb"\s*<!doctype html|\s*<html", "a web page, not an image; download it again"),
    (rb"\s*(<\?xml.*)?<svg", "an SVG drawing; make it a PNG"),
    (rb"version https://git-lfs", "a git-lfs pointer, not the image; git lfs pull"),
    (rb"%PDF|%!PS|8BPS", "a PDF, PostScript or Photoshop file; make it a PNG"),
    (rb"\xff\x0a|.{4}JXL ", "JPEG XL; make it a JPEG"),
    (rb".{128}DICM", "a DICOM file; make it a PNG"),
)
"""First bytes of files that are mistaken for images, and their descriptions."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes an image upright, by EXIF's orientation."""
LOSSES = ("premature end", "Premature end", "bad Huffman code", "found marker")
"""Words of libjpeg's warnings that part of the picture is missing; other warnings, as of extra bytes, are harmless."""
AHEAD = 64
"""Images that each worker decodes ahead of use, which bounds the memory."""

Image.init()  # once here, not at the same time in several threads


class UnreadableImageError(Exception):
    """An image can't be decoded; the message is the reason, in the same words in every run."""


def decode_in_order(
    rows: pd.DataFrame,
    read: Callable[[str, int | None, int | None], bytes],
    resize: int,
    workers: int,
    encode: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Iterator[np.ndarray | UnreadableImageError]:
    """Decode images in several threads (the decoder releases Python's lock), and yield them in the order of `rows`.

    The threads then call `encode` on an image's pixels. Some hundreds of images at a time are read in the order of
    their places in the archives, which keeps the seeks of a hard disk short.
    """

    def decode(path: str, offset: int | None, size: int | None) -> np.ndarray | UnreadableImageError:
        try:
            data = read(path, offset, size)
        except OSError as error:
            return UnreadableImageError(error.strerror or type(error).__name__)
        try:
            pixels = square(data, resize)  # an OSError here is not the image's: the compiled kernel can't be cached
        except UnreadableImageError as error:
            return error
        return encode(pixels)

    images = zip(rows["path"], whole_or_none(rows["offset"]), whole_or_none(rows["size"]), strict=True)
    waiting: deque[Future[np.ndarray | UnreadableImageError]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        while part := list(islice(images, AHEAD * workers // 2)):
            lying = sorted(range(len(part)), key=lambda place: (part[place][0], part[place][1] or 0))
            started = {place: pool.submit(decode, *part[place]) for place in lying}
            waiting.extend(started[place] for place in range(len(part)))
            while len(waiting) > len(part):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def whole_or_none(column: Any) -> list[int | None]:
    """Return a column of places in an archive as a list; plain files have None."""
    return [None if missing else int(value) for value, missing in zip(column, column.isna(), strict=True)]


def square(data: bytes, resize: int) -> np.ndarray:
    """Decode an image file to RGB, uint8 `(resize, resize, 3)`. Raise UnreadableImageError if that fails.

    The centre square is cut before resizing, which gives the same pixels and makes panoramas no slower.
    """
    return centre_square(pixels(data), resize)


def pixels(data: bytes) -> np.ndarray:
    """Decode an image file to upright RGB, uint8 `(y, x, 3)`. Raise UnreadableImageError if that fails."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            if image.format == "JPEG2000" and image.mode != "I;16" and deep_jpeg2000(data):
                raise UnreadableImageError("JPEG 2000 of more than 8 bits a colour; save it with 8, or as PNG")
            if image.format in ("JPEG", "MPO"):
                decoded = jpeg_pixels(data)
                if decoded is not None and turn(image) is None:
                    return decoded
            return pillow_pixels(image)
    except (UnreadableImageError, MemoryError):  # MemoryError concerns this machine, not the image
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(unidentified(data)) from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(f"more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # decoders can raise almost anything for damaged files
        raise UnreadableImageError(reason(error)) from None


def jpeg_pixels(data: bytes) -> np.ndarray | None:
    """Decode a JPEG without turning it: RGB, uint8 `(y, x, 3)`; None for unusual files (CMYK) that Pillow must decode.

    Raise UnreadableImageError if part of the picture is missing, since Pillow would fill the part with grey.
    """
    try:
        return simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        if any(loss in str(error) for loss in LOSSES):
            raise UnreadableImageError(reason(OSError(str(error)))) from None
        return None


def pillow_pixels(image: Image.Image) -> np.ndarray:
    """Return an opened image of any kind as upright RGB, uint8 `(y, x, 3)`."""
    tags = dict(getattr(image, "tag_v2", {}))
    if tags.get(BITS, (8,))[0] > 8 and (tags.get(PLANAR) == 2 or tags.get(WHITE) == 0):
        raise UnreadableImageError("a TIFF of 16 bits in planes, or with white as 0; save it otherwise, or with 8 bits")
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise UnreadableImageError("32 bits a channel, which do not say what is white; save it with 8 or 16")
    deep = image.mode.startswith("I") or any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
    image.load()
    if deep and brightest(image) < DARK:
        raise UnreadableImageError("12 bits or fewer in 16 a channel, so that it would be black; scale it to 8 or 16")
    how = turn(image)
    return np.ascontiguousarray(rgb(image if how is None else image.transpose(how)))


def deep_jpeg2000(data: bytes) -> bool:
    """Return whether a JPEG 2000 has more than 8 bits a channel, by its first marker, SIZ."""
    start = data.find(b"\xff\x4f\xff\x51")
    return start >= 0 and any((byte & 0x7F) > 7 for byte in data[start + 42 :: 3][: data[start + 41]])


def brightest(image: Image.Image) -> float:
    """Return the largest value in a loaded image of 16 bits a channel, of which Pillow may keep only the upper 8."""
    if image.mode.startswith("I"):
        return float(np.asarray(image).max())
    ranges = image.getextrema()
    pairs = [ranges] if len(image.getbands()) == 1 else ranges
    colours = [pair for band, pair in zip(image.getbands(), pairs, strict=True) if band != "A"]
    return max(float(high) for _, high in colours) * 256  # pyright: ignore


def turn(image: Image.Image) -> Image.Transpose | None:
    """Return the operation that makes an image upright, by EXIF; None if upright, or if EXIF can't be read.

    Pillow's `exif_transpose` also rewrites the EXIF, which fails if another part of the EXIF is damaged.
    """
    try:
        return TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # the pixels are complete even if the EXIF is damaged
        return None


def unidentified(data: bytes) -> str:
    """Return the reason why no decoder accepts a file."""
    if data.startswith(b"\xff\xd8"):
        return "JPEG with a damaged header, or of a rare kind (12 bits, lossless)"
    for start, kind in KINDS:
        if re.match(start, data[:512], re.DOTALL | re.IGNORECASE):
            return kind
    return "not an image in a known format" if data else "empty file"


def reason(error: Exception) -> str:
    """Return an error in one line that is the same on every machine: without folders and memory addresses."""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x...", re.sub(r"/[\w./-]*/", "", " ".join(str(error).split())))
    if not message:
        return type(error).__name__
    return message if isinstance(error, OSError) else f"{type(error).__name__}: {message}"


def rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as 8-bit RGB."""
    if image.mode.startswith("I"):  # 16 bits a channel: `convert` would clip them
        return Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
