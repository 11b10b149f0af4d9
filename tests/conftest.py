"""Provide a small beton for the tests that train and probe."""

import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.networks import network  # noqa: F401  (a fixture)
from tests.noise import folder, known  # noqa: F401  (fixtures)
from zfpipe import params, stage
from zfpipe.drawing.picture import CLASSES, draw
from zfpipe.reading.inputs import MeanSubtraction
from zfpipe.writing.writer import write_beton

SIZE, CROP, FEW = 72, 64, 25
SETTINGS = params.load(Path(__file__).parent.parent / "params.yaml")

# A shell starts background jobs with SIGINT ignored, which stages would inherit. Some tests send them SIGINT
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the process alive at the end of a stage, which would otherwise end all tests silently and with success."""
    monkeypatch.setattr(stage, "leave", lambda: None)


def label_of(number: int) -> int:
    """Return the class of a picture of `beton`."""
    return number % FEW


@pytest.fixture(scope="session")
def beton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a hundred embedded pictures, 72 pixels square, four of each of the first 25 classes."""
    import cv2

    place = tmp_path_factory.mktemp("beton")
    rows = []
    for number in range(100):
        label = label_of(number)
        picture = draw(0, "train", number // FEW * len(CLASSES) + label)
        assert picture.label == label
        path = place / f"{number}.png"
        cv2.imwrite(str(path), picture.pixels[:, :, ::-1])
        rows.append(
            {"id": number, "label": label, "class": CLASSES[label], "path": path.name, "offset": None, "size": None}
        )
    settings = SETTINGS.betons.model_copy(update={"resize": SIZE})
    target = place / "train.beton"
    write_beton(pd.DataFrame(rows), lambda path, *_: (place / path).read_bytes(), settings, target, workers=1)
    return target


@pytest.fixture
def inputs() -> MeanSubtraction:
    """Return a flat mean on the CPU."""
    return MeanSubtraction(torch.from_numpy(np.full((10, CROP, CROP, 3), 118.0, np.float32)), torch.device("cpu"))
