"""What stands beside a beton: its checksum, size, classes and how it was made."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from zfpipe import stage
from zfpipe.betons.guarded_ffcv import (
    ALLOC_TABLE_TYPE,
    CURRENT_VERSION,
    FieldDescType,
    HeaderType,
    get_handlers,
    get_metadata_type,
)
from zfpipe.errors import UserError

FIELDS = ("image", "label", "id")


@dataclass(frozen=True)
class Sidecar:
    """A beton's description: `bytes` and `sha256` of the file, `resize` the side of its square images in pixels."""

    sha256: str
    bytes: int
    count: int
    rejected: int
    classes: list[str]
    resize: int
    write_mode: str
    versions: dict[str, str] = field(default_factory=dict)


def path_of(beton: Path) -> Path:
    """Where a beton's sidecar stands."""
    return beton.with_suffix(".json")


def write_sidecar(sidecar: Sidecar, beton: Path) -> None:
    """Writes a sidecar."""
    with stage.whole(path_of(beton)) as temporary:
        temporary.write_text(json.dumps(asdict(sidecar), indent=2) + "\n")


def read_sidecar(beton: Path) -> Sidecar:
    """Reads a beton's sidecar. Raises UserError when it is missing or damaged."""
    path = path_of(beton)
    try:
        return Sidecar(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"{path} not found; make it: dvc repro betons@{beton.stem}") from None
    except (ValueError, TypeError) as error:
        raise damaged(path, f"the sidecar can't be read: {error}") from None


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(beton: Path) -> Sidecar:
    """Reads the whole beton and compares its checksum: a damaged picture inside would otherwise pass in silence."""
    sidecar = check(beton)
    if checksum(beton) != sidecar.sha256:
        raise damaged(beton, "its checksum is not the one in its sidecar")
    return sidecar


def check(beton: Path) -> Sidecar:
    """Checks what FFCV reads unchecked: header, fields, metadata, allocation table and size.

    FFCV reads a truncated file as zeros or crashes. Raises UserError with one line.
    """
    sidecar = read_sidecar(beton)
    if not beton.exists():
        raise UserError(f"{beton} not found; make it: dvc repro betons@{beton.stem}")
    size = beton.stat().st_size
    if size != sidecar.bytes:
        raise damaged(beton, f"it has {size:,} bytes, its sidecar says {sidecar.bytes:,}")
    if size < HeaderType.itemsize:
        raise damaged(beton, "it is shorter than its header")
    header = np.fromfile(beton, HeaderType, 1)[0]
    count = int(header["num_samples"])
    if (
        header["version"] != CURRENT_VERSION
        or header["num_fields"] != len(FIELDS)
        or count != sidecar.count
        or not count
    ):
        raise damaged(beton, "its header is not that of a beton of zfpipe")
    descriptors = np.fromfile(beton, FieldDescType, len(FIELDS), offset=HeaderType.itemsize)
    start = HeaderType.itemsize + descriptors.nbytes
    names = tuple(bytes(name).rstrip(b"\0").decode("ascii", "replace") for name in descriptors["name"])
    if names != FIELDS:
        raise damaged(beton, "its fields are not image, label and id")
    metadata_type = get_metadata_type(get_handlers(descriptors))
    table = int(header["alloc_table_ptr"])
    if not start + count * metadata_type.itemsize <= table < size or (size - table) % ALLOC_TABLE_TYPE.itemsize:
        raise damaged(beton, "its allocation table lies outside the file")
    allocations = np.fromfile(beton, ALLOC_TABLE_TYPE, offset=table)
    metadata = np.fromfile(beton, metadata_type, count, offset=start)
    pointers = metadata["f0"]["data_ptr"]
    if (allocations["ptr"] + allocations["size"] > table).any() or not np.isin(pointers, allocations["ptr"]).all():
        raise damaged(beton, "its allocation table points outside the file")
    if (metadata["f0"]["width"] != sidecar.resize).any() or (metadata["f0"]["height"] != sidecar.resize).any():
        raise damaged(beton, f"its images are not {sidecar.resize}x{sidecar.resize}")
    return sidecar


def damaged(path: Path, reason: str) -> UserError:
    """A damaged beton or sidecar, with the mend."""
    return UserError(f"{path} is damaged: {reason}; make it again: dvc repro -f betons@{path.stem}")
