"""A beton's sidecar: checksum, size, classes and versions, in a JSON file beside the beton."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from zfpipe import store
from zfpipe.errors import UserError

FIELDS = {"image": 2, "label": 1, "id": 1}
"""Names of the fields, with FFCV's numbers of their types."""
MODES = {"jpg": 0, "raw": 1}
"""FFCV's numbers for how an image is stored."""


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
    """Return the path of a beton's sidecar."""
    return beton.with_suffix(".json")


def write_sidecar(sidecar: Sidecar, beton: Path) -> None:
    """Write a sidecar."""
    store.save(path_of(beton), asdict(sidecar))


def read_sidecar(beton: Path) -> Sidecar:
    """Read a beton's sidecar. Raises UserError if it is missing or damaged."""
    path = path_of(beton)
    try:
        return Sidecar(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"{path} not found; make it: dvc repro {made_by(beton)}") from None
    except (ValueError, TypeError) as error:
        raise damaged(path, f"the sidecar can't be read: {error}") from None


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(beton: Path) -> Sidecar:
    """Check a beton and the checksum of the whole file, since FFCV does not notice a damaged picture."""
    sidecar = check(beton)
    if checksum(beton) != sidecar.sha256:
        raise damaged(beton, "its checksum is not the one in its sidecar")
    return sidecar


def check(beton: Path) -> Sidecar:
    """Check what FFCV reads unchecked: header, fields, metadata, allocation table and size.

    FFCV reads a truncated file as zeros or crashes, and copies whatever an entry points to. After this check, loading
    stays inside the file and the buffers. `verify` finds damage inside a picture. Raises UserError for a damaged beton.
    """
    from zfpipe.beton.guarded_ffcv import (  # imports torch, which takes seconds; reading a sidecar needs neither
        ALLOC_TABLE_TYPE,
        CURRENT_VERSION,
        FieldDescType,
        HeaderType,
        get_handlers,
        get_metadata_type,
    )

    sidecar = read_sidecar(beton)
    if not beton.exists():
        raise UserError(f"{beton} not found; make it: dvc repro {made_by(beton)}")
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
    names = [bytes(name).rstrip(b"\0").decode("ascii", "replace") for name in descriptors["name"]]
    if dict(zip(names, descriptors["type_id"].tolist(), strict=True)) != FIELDS or names != list(FIELDS):
        raise damaged(beton, "its fields are not image, label and id")
    metadata_type = get_metadata_type(get_handlers(descriptors))
    table = int(header["alloc_table_ptr"])
    end = start + count * metadata_type.itemsize
    if table < end or size - table != count * ALLOC_TABLE_TYPE.itemsize:
        raise damaged(beton, "its allocation table is not where its header says")
    metadata = np.fromfile(beton, metadata_type, count, offset=start)
    check_samples(beton, sidecar, metadata)
    check_places(beton, sidecar, metadata["f0"]["data_ptr"], np.fromfile(beton, ALLOC_TABLE_TYPE, offset=table), end)
    return sidecar


def check_samples(beton: Path, sidecar: Sidecar, metadata: np.ndarray) -> None:
    """Check size, storage mode, label and id of every image."""
    image, label, number = metadata["f0"], metadata["f1"], metadata["f2"]
    if (image["width"] != sidecar.resize).any() or (image["height"] != sidecar.resize).any():
        raise damaged(beton, f"its images are not {sidecar.resize}x{sidecar.resize}")
    if (image["mode"] != MODES[sidecar.write_mode]).any():
        raise damaged(beton, f"its images are not all stored as {sidecar.write_mode}")
    if label.min() < 0 or label.max() >= len(sidecar.classes):
        raise damaged(beton, f"it has labels outside the {len(sidecar.classes)} classes")
    if len(np.unique(number)) != len(number):
        raise damaged(beton, "it has the same image twice")


def check_places(beton: Path, sidecar: Sidecar, pointers: np.ndarray, allocations: np.ndarray, start: int) -> None:
    """Check that the bytes of all images lie one after another between `start` and the allocation table."""
    places, sizes = allocations["ptr"], allocations["size"]
    if (allocations["sample_id"] != np.arange(sidecar.count)).any() or (places != pointers).any():
        raise damaged(beton, "its allocation table is not that of its images")
    room = np.append(places[1:], np.uint64(sidecar.bytes - allocations.nbytes))
    # Without a sum, which could overflow
    if places[0] < start or (places >= room).any() or (sizes > room - places).any() or (sizes == 0).any():
        raise damaged(beton, "its images do not lie one after another in the file")
    if sidecar.write_mode == "raw" and (sizes != 3 * sidecar.resize**2).any():
        raise damaged(beton, f"its images are not {sidecar.resize}x{sidecar.resize} pixels long")


def damaged(path: Path, reason: str) -> UserError:
    """Return the error for a damaged beton or sidecar, with the command that makes it again."""
    return UserError(f"{path} is damaged: {reason}; make it again: dvc repro -f {made_by(path)}")


def made_by(path: Path) -> str:
    """Return the stage that makes a beton or sidecar. All images of a target set (section 5.2) are in one beton."""
    return f"target@{path.parent.name}" if path.stem == "images" else f"betons@{path.stem}"
