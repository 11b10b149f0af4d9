"""The only module that imports FFCV. Importing FFCV sets the thread counts of other libraries; this is undone here.

FFCV must not use a GPU either: each process would take memory on the first GPU, even in stages without a GPU.
"""

from ctypes import c_void_p, cast
from typing import Any

import numpy as np
import torch
from llvmlite import binding

from zfpipe.beton.compiled import numba, set_numba_threads
from zfpipe.beton.decoding import read_sample

TORCH_THREADS = torch.get_num_threads()

# numba's Dict compiles for three seconds in every process; FFCV keeps only two numbers in it, so a dict is enough
TYPED_DICT, numba.typed.Dict = numba.typed.Dict, dict  # pyright: ignore[reportAttributeAccessIssue]
from ffcv.fields import IntField, RGBImageField  # noqa: E402
from ffcv.fields.basics import IntDecoder  # noqa: E402
from ffcv.fields.rgb_image import SimpleRGBImageDecoder, encode_jpeg  # noqa: E402
from ffcv.libffcv import ctypes_imdecode  # noqa: E402
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


COMPILE = Compiler.compile


def compiled(_compiler: type[Compiler], code: Any, signature: Any = None) -> Any:
    """Compile a function, unless it is one of ours, whose compiled code is kept on disk."""
    return code if hasattr(code, "py_func") else COMPILE(code, signature)


# Code on disk can hold the name of a C function, but not its address
binding.add_symbol("ffcv_imdecode", cast(ctypes_imdecode, c_void_p).value)
numba.typed.Dict = TYPED_DICT  # pyright: ignore[reportAttributeAccessIssue]
OSCacheManager.compile_reader = lambda _: read_sample  # pyright: ignore[reportAttributeAccessIssue]
Compiler.compile = classmethod(compiled)  # pyright: ignore[reportAttributeAccessIssue]
Compiler.set_num_threads = classmethod(set_num_threads)  # pyright: ignore[reportAttributeAccessIssue]
epoch_iterator.IS_CUDA = False  # pyright: ignore[reportPrivateImportUsage]
graph.allocate_query = unpinned  # pyright: ignore[reportAttributeAccessIssue]
torch.set_num_threads(TORCH_THREADS)
