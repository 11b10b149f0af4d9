"""Image files of any kind to square RGB pixels (section 3: shortest side resized, centre square cut)."""

import io
import re

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


class UnreadableImageError(Exception):
    """An image that can't be decoded, with the reason in words that do not change from run to run."""


def square(data: bytes, resize: int) -> np.ndarray:
    """Decodes an image file: uint8 `(resize, resize, 3)`, RGB.

    The camera's rotation (EXIF) is applied; grey, palette, CMYK and 16-bit images become RGB; what is
    transparent lies on white. Small images are enlarged. Raises UnreadableImageError.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            image = rgb(ImageOps.exif_transpose(image))
            # Only the centre square is resized: the same pixels, and a long panorama costs no more than another
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            return np.asarray(image.resize((resize, resize), Image.Resampling.BICUBIC, box))
    except UnidentifiedImageError:
        raise UnreadableImageError("empty file" if not data else "not an image in a known format") from None
    except MemoryError:  # says something of this machine, not of the image
        raise
    except Exception as error:  # decoders of damaged files raise almost anything
        raise UnreadableImageError(reason(error)) from None


def reason(error: Exception) -> str:
    """What went wrong in one line that is the same on every machine: without folders and places in memory."""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x...", re.sub(r"/[\w./-]*/", "", " ".join(str(error).split())))
    if not message:
        return type(error).__name__
    return message if isinstance(error, OSError) else f"{type(error).__name__}: {message}"


def rgb(image: Image.Image) -> Image.Image:
    """An image in any mode as 8-bit RGB."""
    if image.mode.startswith("I"):  # 16 bits a channel, which `convert` would clip
        return Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
