"""The only module that imports FFCV. Importing FFCV sets the thread counts of other libraries; this is undone here.

FFCV must not use a GPU either: each process would take memory on the first GPU, even in stages without a GPU.
"""

from typing import Any

import numpy as np
import torch

from zfpipe.beton.compiled import numba, set_numba_threads

TORCH_THREADS = torch.get_num_threads()

# numba's Dict compiles for three seconds in every process; FFCV keeps only two numbers in it, so a dict is enough
TYPED_DICT, numba.typed.Dict = numba.typed.Dict, dict  # pyright: ignore[reportAttributeAccessIssue]
from ffcv.fields import IntField, RGBImageField  # noqa: E402
from ffcv.fields.basics import IntDecoder  # noqa: E402
from ffcv.fields.rgb_image import SimpleRGBImageDecoder, encode_jpeg  # noqa: E402
from ffcv.loader import Loader, OrderOption, epoch_iterator  # noqa: E402
from ffcv.loader.epoch_iterator import EpochIterator  # noqa: E402
from ffcv.memory_allocator import MemoryAllocator  # noqa: E402
from ffcv.memory_managers.os_cache import OSCacheManager  # noqa: E402
from ffcv.pipeline import graph  # noqa: E402
from ffcv.pipeline.allocation_query import AllocationQuery  # noqa: E402
from ffcv.pipeline.compiler import Compiler  # noqa: E402
from ffcv.pipeline.operation import Operation  # noqa: E402
from ffcv.pipeline.state import State  # noqa: E402
from ffcv.transforms import ToTensor  # noqa: E402
from ffcv.types import (  # noqa: E402
    ALLOC_TABLE_TYPE,
    CURRENT_VERSION,
    FieldDescType,
    HeaderType,
    get_handlers,
    get_metadata_type,
)
from ffcv.writer import MIN_PAGE_SIZE, handle_sample  # noqa: E402

__all__ = [
    "ALLOC_TABLE_TYPE",
    "CURRENT_VERSION",
    "MIN_PAGE_SIZE",
    "AllocationQuery",
    "EpochIterator",
    "FieldDescType",
    "HeaderType",
    "IntDecoder",
    "IntField",
    "Loader",
    "MemoryAllocator",
    "Operation",
    "OrderOption",
    "RGBImageField",
    "SimpleRGBImageDecoder",
    "State",
    "ToTensor",
    "encode_jpeg",
    "get_handlers",
    "get_metadata_type",
    "handle_sample",
]


def set_num_threads(compiler: type[Compiler], count: int) -> None:
    """Set FFCV's threads. FFCV's own version also sets torch's thread count, which would slow training down."""
    compiler.num_threads = count
    set_numba_threads(count)


def unpinned(query: AllocationQuery, batch: int, batches: int) -> np.ndarray:
    """Allocate memory for batches. FFCV's own version pins the memory, which needs a GPU; batches are copied anyway."""
    assert isinstance(query.dtype, np.dtype), "memory of a GPU"
    return np.empty((batches, batch, *query.shape), query.dtype)


COMPILE_READER = OSCacheManager.compile_reader
READER: list[Any] = []


def compile_reader(manager: OSCacheManager) -> Any:
    """Return the function that takes a sample from the file. FFCV compiles the same function for every loader."""
    if not READER:
        READER.append(COMPILE_READER(manager))
    return READER[0]


numba.typed.Dict = TYPED_DICT  # pyright: ignore[reportAttributeAccessIssue]
OSCacheManager.compile_reader = compile_reader  # pyright: ignore[reportAttributeAccessIssue]
Compiler.set_num_threads = classmethod(set_num_threads)  # pyright: ignore[reportAttributeAccessIssue]
epoch_iterator.IS_CUDA = False  # pyright: ignore[reportPrivateImportUsage]
graph.allocate_query = unpinned  # pyright: ignore[reportAttributeAccessIssue]
torch.set_num_threads(TORCH_THREADS)
