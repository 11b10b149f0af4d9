"""Read a state dict from the files that people save: nested, half precision, or with an optimiser's state."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor

from zfpipe.foreign.kinds import AGAIN, SAVE, recognised, wrong
from zfpipe.foreign.words import said

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
WHOLE = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool}
DEEPEST = 4
"""Largest number of keys above a state dict; a Lightning callback's averaged weights have three."""

OBSTACLE = re.compile(r"GLOBAL (\S+) (?:was not an allowed|whose module)|(DTensor|nested jagged tensor)s")
"""Finds the refused object in torch's error messages."""


def read(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a file. Floating point numbers become float32.

    No code in the file can run. Raises UserError, with the file's name, the fault and the mend, if the file holds no
    state dict or several, or values that are not numbers.
    """
    state = chosen(path, loaded(path))
    return {name: numbers(path, name, tensor) for name, tensor in state.items()}


def loaded(path: Path) -> Any:
    """Return the contents of a file, loaded weights-only."""
    kind = recognised(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:  # given a path, torch would trust the suffix
            warnings.simplefilter("ignore")  # about old formats, which can be read
            return load_file(path) if kind == "safetensors" else torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise wrong(path, reason(error, path)) from None


def reason(error: Exception, path: Path) -> str:
    """Return why torch or safetensors could not load a file."""
    named = OBSTACLE.search(str(error))
    name = (named[1] or named[2]) if named else ""
    if name and not ends_within(path, name):
        return f"holds a Python object, {said(name)}, which is not loaded, as loading it could run code; {SAVE}"
    if "Unsupported operand" in str(error) and is_zipfile(path):
        return "was saved with another pickle_protocol than 2, torch's own; save it without this option"
    return f"is damaged or cut short ({path.stat().st_size:,} bytes); {AGAIN}"


def ends_within(path: Path, name: str) -> bool:
    """Return True if a file in torch's old format ends within this name, which torch then reports as unknown."""
    module, dot, last = name.rpartition(".")
    return bool(dot) and not is_zipfile(path) and f"{module}\n{last}\n".encode() not in path.read_bytes()


def chosen(path: Path, contents: Any) -> dict[str, Tensor]:
    """Return the one state dict in the contents. Of several, the one with convolution filters counts."""
    found = dict(candidates(contents))
    found = {key: state for key, state in found.items() if any(one.dim() == 4 for one in state.values())} or found
    if not found:
        raise wrong(path, f"holds no state dict, but {described(contents)}; {SAVE}")
    if len(found) > 1:
        names = said(", ".join(key or "the top level" for key in found))
        raise wrong(
            path, f"holds {len(found)} state dicts, {names}; must hold one: save that one alone with torch.save"
        )
    return next(iter(found.values()))


def candidates(contents: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield possible state dicts with their keys, joined by dots. An optimiser's state does not count."""
    if not isinstance(contents, Mapping) or "param_groups" in contents or depth > DEEPEST:
        return
    named = {key: value for key, value in contents.items() if isinstance(key, str)}
    tensors = {key: value for key, value in named.items() if isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    for key, value in named.items():
        yield from candidates(value, f"{place}.{key}".removeprefix("."), depth + 1)


def described(contents: Any) -> str:
    """Return in a few words what a file holds instead of a state dict."""
    if not isinstance(contents, Mapping):
        return f"a {type(contents).__name__}"
    return f"a dict of {said(', '.join(map(str, list(contents)[:5])))}" if contents else "an empty dict"


def numbers(path: Path, name: str, tensor: Tensor) -> Tensor:
    """Return a tensor as float32 or integers. Raises UserError if it is not dense, or holds NaN or infinity."""
    plain = tensor.layout == torch.strided and not tensor.is_meta
    if not plain or tensor.dtype not in FLOATS | WHOLE:
        kind = "without values" if tensor.is_meta else f"as {tensor.layout}, {tensor.dtype}".replace("torch.", "")
        raise wrong(path, f"holds {said(name)} {kind}; must be plain numbers of 16, 32 or 64 bits")
    if tensor.dtype not in FLOATS:
        return tensor.detach()
    values = tensor.detach().float()
    bad = int((~values.isfinite()).sum())
    if bad:
        raise wrong(
            path,
            f"holds NaN or infinity: {bad:,} of the {values.numel():,} values of {said(name)} are NaN or infinite in "
            "float32; take earlier weights",
        )
    return values
