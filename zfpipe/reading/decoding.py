"""Decoders for FFCV whose compiled code is kept on disk.

FFCV's own decoders do the same. But they are closures, so numba compiles them again for every loader. This takes half a
second for each, and one more second in a new process.
"""

from ctypes import c_void_p, cast
from typing import Any, no_type_check

from llvmlite import binding

from zfpipe.beton.compiled import numba
from zfpipe.beton.guarded_ffcv import JPEG, IntDecoder, SimpleRGBImageDecoder, ctypes_imdecode, read_sample

# Code on disk can hold the name of a C function, but not its address
binding.add_symbol("ffcv_imdecode", cast(ctypes_imdecode, c_void_p).value)
UINT32 = numba.types.uint32
imdecode = numba.types.ExternalFunction(
    "ffcv_imdecode",
    numba.types.int32(
        *(numba.types.voidptr, numba.types.uint64, UINT32, UINT32, numba.types.voidptr),
        *(UINT32, UINT32, UINT32, UINT32, UINT32, UINT32, numba.types.boolean, numba.types.boolean),
    ),
)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # a wrapped function could not be compiled
def decode_images(rows, images, metadata, storage):  # pragma: no cover - compiled
    """Write the images at `rows` of the beton to `images`."""
    for number in numba.prange(len(rows)):
        field = metadata[rows[number]]
        sample = read_sample(field["data_ptr"], storage)
        height, width = field["height"], field["width"]
        if field["mode"] == JPEG:
            image = images[number]
            imdecode(
                *(sample.ctypes, sample.size, height, width, image.ctypes),
                *(height, width, 0, 0, 1, 1, False, False),
            )
        else:
            images[number].reshape(-1)[:] = sample
    return images[: len(rows)]


@numba.njit(nogil=True, cache=True)
@no_type_check  # a wrapped function could not be compiled
def decode_numbers(rows, numbers, metadata, _storage):  # pragma: no cover - compiled
    """Write the numbers at `rows` of the beton to `numbers`."""
    for number in range(len(rows)):
        numbers[number] = metadata[rows[number]]
    return numbers[: len(rows)]


class ImageDecoder(SimpleRGBImageDecoder):
    """Decodes images that all have the same size."""

    def generate_code(self) -> Any:
        """Return the function that FFCV calls for each batch."""
        return decode_images


class NumberDecoder(IntDecoder):
    """Decodes labels and ids."""

    def generate_code(self) -> Any:
        """Return the function that FFCV calls for each batch."""
        return decode_numbers
