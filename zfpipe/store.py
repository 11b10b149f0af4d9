"""Write and read files in the format of their suffix. A file is written whole or not at all."""

import errno
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zfpipe.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a used-up quota, a file larger than allowed."""
FLOATS = "%.6g"
"""Format of numbers in CSV files."""


def save(path: Path, value: Any) -> None:
    """Write `value` to `path`, whole or not at all.

    Text and bytes are written as they are. Otherwise the suffix decides: `.json` takes what JSON can hold, `.csv` a
    DataFrame, `.parquet` a DataFrame or an Arrow table (compressed with zstd), `.npy` an array, `.safetensors` a
    mapping of names to arrays. Raises UserError when the disk is full, ValueError for another suffix.
    """
    with whole(path) as temporary:
        if isinstance(value, str):
            temporary.write_text(value, encoding="utf-8")
        elif isinstance(value, bytes):
            temporary.write_bytes(value)
        elif path.suffix == ".json":
            temporary.write_text(json.dumps(value, indent=2) + "\n")
        elif path.suffix == ".csv":
            value.to_csv(temporary, index=False, float_format=FLOATS)
        elif path.suffix == ".parquet" and hasattr(value, "to_parquet"):
            value.to_parquet(temporary, index=False)
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(value, temporary, compression="zstd")
        elif path.suffix == ".npy":
            import numpy as np

            with temporary.open("wb") as file:
                np.save(file, value)
        elif path.suffix == ".safetensors":
            import numpy as np
            from safetensors.numpy import save_file

            save_file({name: np.ascontiguousarray(array) for name, array in value.items()}, temporary)
        else:
            raise ValueError(f"{path}: can't write a {type(value).__name__} to a file with this suffix")


def save_all(folder: Path, values: Mapping[str, Any]) -> None:
    """Write each value to the file of its name in `folder`."""
    for name, value in values.items():
        save(folder / name, value)


def load(path: Path) -> Any:
    """Return the value that `save` wrote.

    CSV and Parquet give a DataFrame, arrays give numpy arrays, JSON gives Python values, other files give text.
    """
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    if path.suffix == ".csv":
        import pandas as pd

        return pd.read_csv(path)
    if path.suffix == ".parquet":
        import pandas as pd

        return pd.read_parquet(opened(path))
    if path.suffix == ".npy":
        import numpy as np

        return np.load(path)
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return load_file(opened(path))
    return path.read_text(encoding="utf-8")


def opened(path: Path) -> Path:
    """Return `path` and raise Python's audit event `open`, which Arrow and safetensors do not raise."""
    sys.audit("open", str(path), "r", 0)
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that becomes `path` if the block ends without an error.

    If the block is interrupted, `path` is still the old file. A cached file that DVC hard-linked is replaced, not
    written into. Raises UserError if the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with room(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that is deleted after the block. Raises UserError if the disk is full."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed process
    folder.mkdir(parents=True)
    try:
        with room(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def room(path: Path) -> Iterator[None]:
    """Raise UserError in one line if writing to `path` in the block fills the disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = error.filename or path
        raise UserError(f"{where} can't be written: {error.strerror}; make room there and run it again") from None
