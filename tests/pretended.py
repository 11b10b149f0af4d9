"""Pretend a device whose tensors compute on the processor but refuse to meet the processor's own, as a GPU's do.

torch's `lazy` device, for which no backend is loaded here, gives the name. The pretended device allows what a GPU
allows: copies, indices on the processor, and numbers without dimensions. Streams, pinned memory and the size of the
memory are pretended too.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._foreach_utils import _get_fused_kernels_supported_devices as fused_devices
from torch.utils._pytree import tree_flatten, tree_map

from zfpipe.network import numerics

DEVICE = torch.device("lazy", 0)
COPIES = ("aten::copy_", "aten::_to_copy")
INDEXED = ("aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_")


class Pretended(torch.Tensor):
    """Stand for a tensor of the pretended device; `held`, on the processor, holds the numbers."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, real: torch.Tensor) -> "Pretended":
        found = torch.Tensor._make_wrapper_subclass(
            cls,
            real.shape,
            strides=real.stride(),
            storage_offset=real.storage_offset(),
            dtype=real.dtype,
            device=DEVICE,
        )
        found.held = real
        return found

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Save the tensor as one of the processor, as a machine without a GPU would load it."""
        return self.cpu().__reduce_ex__(protocol)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def record_stream(self, stream: Any) -> None:
        """Do nothing: the processor's memory is not reused too early."""


def computed(func: Any, args: Any, kwargs: Any) -> Any:
    """Return what an operation gives. Raise RuntimeError if tensors of both devices meet."""
    name = func._schema.name
    met, _ = tree_flatten((args[0], args[2:], kwargs) if name in INDEXED else (args, kwargs))
    tensors = [one for one in met if isinstance(one, torch.Tensor)]
    ours = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Pretended)]
    if ours and name not in COPIES and any(not isinstance(one, Pretended) and one.dim() for one in tensors):
        raise RuntimeError(f"Expected all tensors to be on the same device: {name} got lazy:0 and cpu")
    target = kwargs.get("device")
    there = bool(ours) if target is None else torch.device(target).type == DEVICE.type
    if name == "aten::copy_":
        there = isinstance(args[0], Pretended)
    kwargs = {key: value for key, value in kwargs.items() if key != "pin_memory"}
    if target is not None:
        kwargs["device"] = torch.device("cpu")
    known = {id(one.held): one for one in ours}
    plain_args, plain_kwargs = tree_map(lambda one: one.held if isinstance(one, Pretended) else one, (args, kwargs))
    # Autograd gives a gradient the memory layout of its weight, but not for a subclass of tensors.
    if name == "aten::_fused_sgd_":
        weights, gradients, *rest = plain_args
        plain_args = (weights, [torch.empty_like(w).copy_(g) for w, g in zip(weights, gradients, strict=True)], *rest)
    found = func(*plain_args, **plain_kwargs)
    if name == "aten::_to_copy" and there and found is plain_args[0]:
        found = found.clone()

    def wrapped(one: Any) -> Any:
        if not isinstance(one, torch.Tensor) or not there:
            return one
        return known[id(one)] if id(one) in known else Pretended(one)

    return tree_map(wrapped, found)


def entered(mode: Any) -> None:
    """Begin `torch.no_grad` for `torch.inference_mode`."""
    mode.instead = torch.no_grad()
    mode.instead.__enter__()


def left(mode: Any, *error: Any) -> None:
    """End what `entered` began."""
    mode.instead.__exit__(*error)


@contextmanager
def device() -> Iterator[torch.device]:
    """Make zfpipe compute on the pretended device within this context."""
    aten, library = torch.ops.aten, torch.library.Library("aten", "IMPL")
    ranges = (aten.arange.default, aten.arange.start, aten.arange.start_step)
    for made in (aten.empty.memory_format, aten.empty_strided.default, *ranges):
        name = made._schema.name + (f".{made._overloadname}" if made._overloadname != "default" else "")
        library.impl(name, lambda *args, made=made, **kwargs: computed(made, args, kwargs), "Lazy")
    library.impl("_copy_from", lambda source, target, wait=False: target.held.copy_(source), "Lazy")
    stream = SimpleNamespace(record_event=lambda: None, wait_event=lambda event: None)
    event = SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    shims: dict[str, Any] = {
        "torch.Tensor.pin_memory": lambda tensor: tensor.clone(),
        "torch.inference_mode.__enter__": entered,  # a subclass of tensors can't be an inference tensor
        "torch.inference_mode.__exit__": left,
        "torch.cuda.Stream": lambda device: stream,
        "torch.cuda.stream": lambda stream: nullcontext(),
        "torch.cuda.Event": lambda: event,
        "torch.cuda.current_stream": lambda device: stream,
        "torch.cuda.set_device": lambda device: None,
        "torch.cuda.mem_get_info": lambda device: (1 << 40, 1 << 40),
    }
    asked = numerics.device
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith(("zfpipe", "stages")) and getattr(module, "device", None) is asked:
                patch.setattr(module, "device", lambda: DEVICE)
        optimizer = sys.modules["torch.optim.optimizer"]  # `torch.optim` deletes this module's name from its namespace
        patch.setattr(optimizer, fused_devices.__name__, lambda: [*fused_devices(), DEVICE.type])
        for name, shim in shims.items():
            patch.setattr(name, shim, raising=False)
        yield DEVICE
    library._destroy()
