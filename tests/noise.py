"""Make small picture folders and betons, and guard against tests that hang."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zfpipe.beton.sidecar import Sidecar
from zfpipe.sections import Betons
from zfpipe.writing.writer import write_beton

SIDE = 32
COUNT = 41
CLASSES = ["ant", "bee", "cat"]
FIRST_ID = 100
"""Ids do not start at 0, so that a test fails if the code takes a position in the beton for an id."""

Result = TypeVar("Result")


def settings(**edit: Any) -> Betons:
    values = {"resize": SIDE, "write_mode": "raw", "jpeg_quality": 90, "max_rejected": 0.0, "seed": 0}
    return Betons(**(values | edit))


@dataclass(frozen=True)
class Folder:
    """Hold image files and their rows of the index, as `write_beton` takes them."""

    root: Path
    rows: pd.DataFrame

    def read(self, path: str, offset: int | None, size: int | None) -> bytes:
        assert offset is None
        assert size is None
        return (self.root / path).read_bytes()

    def write(self, beton: Path, workers: int | None = 1, **edit: Any) -> Sidecar:
        beton.parent.mkdir(parents=True, exist_ok=True)
        return write_beton(self.rows, self.read, settings(**edit), beton, workers)

    def replace(self, row: int, data: bytes) -> None:
        (self.root / self.rows["path"].iloc[row]).write_bytes(data)


def make_folder(root: Path, count: int = COUNT, sizes: tuple[int, int] = (20, 60)) -> Folder:
    """Write pictures of noise of different sizes, and the index columns that `write_beton` reads."""
    root.mkdir()
    random = np.random.default_rng(5)
    for number in range(count):
        height, width = random.integers(*sizes, 2, endpoint=True)
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(root / f"{number}.png")
    labels = np.arange(count) % len(CLASSES)
    rows = pd.DataFrame(
        {
            "id": np.arange(count) + FIRST_ID,
            "label": labels.astype(np.int32),
            "class": [CLASSES[label] for label in labels],
            "path": [f"{number}.png" for number in range(count)],
            "offset": pd.array([None] * count, pd.Int64Dtype()),
            "size": pd.array([None] * count, pd.Int64Dtype()),
        }
    )
    return Folder(root, rows)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return make_folder(tmp_path / "pictures")


@dataclass(frozen=True)
class Known:
    """Hold a beton and all its pixels: the pictures have the beton's own size, so nothing is resized."""

    beton: Path
    pixels: dict[int, np.ndarray]
    labels: dict[int, int]


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    root = tmp_path_factory.mktemp("known")
    folder = make_folder(root / "pictures", sizes=(SIDE, SIDE))
    folder.write(root / "train.beton")
    pixels = [np.asarray(Image.open(folder.root / path)) for path in folder.rows["path"]]
    ids = folder.rows["id"].tolist()
    return Known(
        root / "train.beton", dict(zip(ids, pixels, strict=True)), dict(zip(ids, folder.rows["label"], strict=True))
    )


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """Return or raise what `call` does in a thread. Fail if `call` takes longer than `seconds`."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still runs after {seconds} s"
    if failure:
        raise failure[0]
    return outcome[0]
