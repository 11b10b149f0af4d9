"""Test real images from their sources to betons. ZFPIPE_TEST_DATA names the folder with the sets."""

import os
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SETTINGS
from tests.pictures.layouts import settings
from zfpipe.index.images import image_bytes, read_index, write_index
from zfpipe.pictures.sources import found
from zfpipe.reading.reader import Batches
from zfpipe.writing.writer import write_beton

DATA = os.environ.get("ZFPIPE_TEST_DATA", "")
pytestmark = [pytest.mark.real_data, pytest.mark.skipif(not DATA, reason="ZFPIPE_TEST_DATA names no folder with data")]
SAMPLES = Path(DATA) / "imagenet-samples"


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Link the ImageNet samples, `wnid_name.JPEG`, in a folder for each initial letter of the name."""
    for path in sorted(SAMPLES.glob("*.JPEG")):
        letter = path.stem.partition("_")[2][0].lower()
        (tmp_path / "set" / letter).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / letter / path.name).symlink_to(path.resolve())
    for folder in list((tmp_path / "set").iterdir()):
        if len(list(folder.iterdir())) < 2:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
    return tmp_path / "set"


@pytest.mark.parametrize(
    ("source", "folder", "classes", "counts"),
    [
        ("tiny-imagenet", "tiny-imagenet-50", 5, {"train": 5 * 200, "val": 5 * 25}),
        ("caltech101", "caltech-20", None, None),
        ("folder", "imagenet-samples", None, None),
    ],
)
def test_a_real_set_becomes_betons(
    source: str, folder: str, classes: int | None, counts: dict[str, int] | None, samples: Path, tmp_path: Path
) -> None:
    root = samples if folder == "imagenet-samples" else Path(DATA) / folder
    wanted = settings(source=source, root=str(root), classes=classes)
    write_index(found(wanted), tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet")
    assert index["width"].dropna().size == len(index)
    if counts:
        assert index["split"].value_counts().to_dict() == counts
    boxes = index["box_x0"].dropna().size
    assert boxes == (len(index) if source == "tiny-imagenet" else 0)
    for split, _ in groupby(index["split"]):
        rows = index.query("split == @split")
        beton = tmp_path / f"{split}.beton"
        sidecar = write_beton(rows, partial(image_bytes, root), SETTINGS.betons, beton)
        assert (sidecar.count, sidecar.rejected) == (len(rows), 0)
        with Batches(beton, batch=64, crop=SETTINGS.crops.size, crops="centre") as batches:
            batch = next(iter(batches.epoch()))
        row = rows.set_index("id").loc[int(batch.ids[0])]
        assert row["label"] == batch.labels[0]
        with Image.open(root / row["path"]) as image:
            side = min(image.size)
            colour = np.asarray(image.convert("RGB").resize((1, 1), Image.Resampling.BOX, centre(image.size, side)))
        assert np.abs(batch.images[0].numpy().mean((0, 1)) - colour[0, 0]).max() < 25


def centre(size: tuple[int, int], side: int) -> tuple[float, float, float, float]:
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    return left, top, left + side, top + side
