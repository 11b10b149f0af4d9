"""Compiled code that takes images and numbers out of a beton, for the decoders of `zfpipe.reading.reader`.

FFCV's own decoders do the same. But they are closures, so numba compiles them again for every loader. This takes half a
second for each, and one more second in a new process. These functions are compiled once and kept on disk. All of them
are in this file: numba compiles a kept function again only if the function's own file changes.
"""

from typing import no_type_check

import numpy as np

from zfpipe.beton.compiled import numba

JPEG = 0  # FFCV's number for this mode
UINT32 = numba.types.uint32
imdecode = numba.types.ExternalFunction(
    "ffcv_imdecode",
    numba.types.int32(
        *(numba.types.voidptr, numba.types.uint64, UINT32, UINT32, numba.types.voidptr),
        *(UINT32, UINT32, UINT32, UINT32, UINT32, UINT32, numba.types.boolean, numba.types.boolean),
    ),
)


@numba.njit(nogil=True, cache=True)
@no_type_check  # a wrapped function could not be compiled
def read_sample(place, storage):  # pragma: no cover - compiled
    """Return the bytes at a place of the file. `storage` is the file, and the place and size of each sample."""
    file, places, sizes = storage
    return file[place : place + sizes[np.searchsorted(places, place)]]


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
