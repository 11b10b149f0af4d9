"""Miniature image files for copies of data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.imports import ROOT
from zfpipe import params
from zfpipe.params import Pictures


def image(path: Path, width: int = 20, height: int = 10, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def settings(**changes: object) -> Pictures:
    return params.load(ROOT / "params.yaml").pictures.model_copy(update=changes)
