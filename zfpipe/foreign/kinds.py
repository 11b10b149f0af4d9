"""Recognise a file of weights by its first bytes, since its suffix may be wrong."""

import json
import zipfile
from pathlib import Path
from typing import Any, Literal

from zfpipe.errors import UserError
from zfpipe.foreign.words import said

SAVE = "save net.state_dict() alone with torch.save, in the environment that made the file"
AGAIN = "download it again"
HEAD = 1024
LONGEST_HEADER = 100_000_000
"""Largest header of a safetensors file, in bytes, that the format allows."""

TORCH_OLD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of torch.save's files before version 1.6: the pickled magic number."""

OTHERS = {
    b"version https://git-lfs": (
        "is a git-lfs pointer, a text of a few lines that stands for the weights; run git lfs pull where it came from, "
        "or download the file itself"
    ),
    b"\x89HDF\r\n\x1a\n": "is an HDF5 file, as Keras writes; must be a state dict of PyTorch's or safetensors",
    b"\x93NUMPY": "is a numpy array; must be a state dict of PyTorch's or safetensors",
    b"GGUF": "is a GGUF file; must be a state dict of PyTorch's or safetensors",
    b"MATLAB ": "is a MATLAB file; must be a state dict of PyTorch's or safetensors",
    b"\x1f\x8b": "is compressed by gzip; unpack it first",
    b"BZh": "is compressed by bzip2; unpack it first",
    b"\xfd7zXZ\x00": "is compressed by xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it first",
    b"Rar!": "is a rar archive; unpack it first",
}


def wrong(path: Path, what: str) -> UserError:
    """Return the error for a file of weights that can't be used."""
    return UserError(f"model.weights = {said(path)} {what}")


def recognised(path: Path) -> Literal["safetensors", "torch"]:
    """Return the library that wrote the file: safetensors or torch. Raises UserError that says what another file is."""
    if not path.exists():
        raise wrong(path, "is not there (no such file); must be a state dict or safetensors")
    if path.is_dir():
        raise wrong(path, "is a folder; must be a file: if it was unpacked, take the file as it was downloaded")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise wrong(path, f"can't be read: {said(error.strerror)}") from None
    size = path.stat().st_size
    if size == 0:
        raise wrong(path, f"is empty; {AGAIN}")
    for start, what in OTHERS.items():
        if head.startswith(start):
            raise wrong(path, what)
    if is_safetensors(head):
        check_whole(path, head, size)
        return "safetensors"
    if head.startswith(b"PK"):
        check_zip(path, size)
        return "torch"
    if head[:2] == b"\x80\x02" and head.startswith(TORCH_OLD[:size]):
        return "torch"
    raise wrong(path, other(head, size))


def is_safetensors(head: bytes) -> bool:
    """Return True if the file starts with a length and a JSON object."""
    return 2 <= int.from_bytes(head[:8], "little") <= LONGEST_HEADER and head[8:9] == b"{"


def check_whole(path: Path, head: bytes, size: int) -> None:
    """Raise UserError if a safetensors file is shorter than its header says."""
    header = int.from_bytes(head[:8], "little")
    whole = 8 + header
    if size >= whole:
        with path.open("rb") as file:
            file.seek(8)
            text = file.read(header)
        try:
            described: dict[str, Any] = json.loads(text)
            whole += max(
                (entry["data_offsets"][1] for name, entry in described.items() if name != "__metadata__"), default=0
            )
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise wrong(path, f"is a safetensors file with a damaged header; {AGAIN}") from None
    if size < whole:
        raise wrong(path, f"is a safetensors file cut short: {size:,} of at least {whole:,} bytes; {AGAIN}")


def check_zip(path: Path, size: int) -> None:
    """Raise UserError for a zip archive that torch.save did not write, or that has lost its end with the table."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # zipfile can raise anything for a damaged table
        raise wrong(path, f"is cut short or damaged: its end is missing after {size:,} bytes; {AGAIN}") from None
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise wrong(path, f"is a TorchScript archive, which holds code beside its weights; {SAVE}")
    if "data.pkl" not in inner:
        first = f", which begins with {said(names[0])}" if names else " with nothing in it"
        raise wrong(path, f"is a zip archive{first}, and not one of torch.save's; if it holds the weights, unpack it")


def other(head: bytes, size: int) -> str:
    """Return what kind of file this is if it holds no weights in a known format."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        return f"is a web page (HTML or XML) and no weights; {AGAIN}, from the address of the file itself"
    if text[:1] in (b"{", b"["):
        return "is a JSON text, perhaps a list of the files that hold the weights; must be a state dict or safetensors"
    if head[257:262] == b"ustar":
        return f"is a tar archive; unpack it first; if a torch of before 2017 wrote it, {SAVE}"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and size > 1:
        return f"is a pickle, not as torch.save writes it, and is not loaded, as it could run code; {SAVE}"
    if head[:1] == b"\x08" and b"torch" in head[:64]:
        return f"is an ONNX file; {SAVE}"
    try:
        words = head.decode("ascii")
    except UnicodeDecodeError:
        words = ""
    if words.strip() and all(letter.isprintable() or letter.isspace() for letter in words):
        return f'is a text that begins "{said(words[:60])}" and no weights; {AGAIN}'
    return f"is of a kind that is not known ({size:,} bytes); must be a state dict of PyTorch's or safetensors"
