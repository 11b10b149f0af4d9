import struct
import zlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.report.layout import faults
from zfpipe.report.plotting import style


def plain_contrast(projection: np.ndarray, visible: np.ndarray, percentile: float) -> np.ndarray:
    """The caption's rule, written out value by value."""
    values = []
    for y in range(projection.shape[0]):
        for x in range(projection.shape[1]):
            if visible[y, x]:
                values += [abs(float(value)) for value in projection[y, x]]
    values.sort()
    place = (len(values) - 1) * percentile / 100
    low = int(place)
    high = min(low + 1, len(values) - 1)
    full = values[low] + (values[high] - values[low]) * (place - low)
    shown = np.empty(projection.shape, np.uint8)
    for index, value in np.ndenumerate(projection):
        share = max(-1.0, min(1.0, float(value) / full))
        shown[index] = round(128 + 127 * share)
    return shown


@pytest.mark.parametrize("percentile", [50.0, 99.5, 100.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_contrast_is_the_rule_in_the_caption(percentile: float, scale: float) -> None:
    rng = np.random.default_rng(3)
    projection = (rng.normal(0, scale, (9, 7, 3))).astype(np.float64)
    visible = rng.random((9, 7)) < 0.6
    shown = style.contrast(projection, visible, percentile).astype(int)
    assert np.abs(shown - plain_contrast(projection, visible, percentile)).max() <= 1  # rounding of halves


def test_contrast_is_symmetric_and_zero_is_grey() -> None:
    projection = np.array([[[-4.0, 0.0, 4.0], [8.0, 2.0, -2.0]]])
    shown = style.contrast(projection, np.array([[True, False]]), 100)
    assert shown.tolist() == [[[1, 128, 255], [255, 192, 64]]]  # what is larger than the visible part is cut


def test_a_projection_of_zeros_is_grey() -> None:
    assert (style.contrast(np.zeros((4, 4, 3)), np.ones((4, 4), bool), 99) == 128).all()
    assert (style.contrast(np.ones((4, 4, 3)), np.zeros((4, 4), bool), 99) == 128).all()


def figure() -> Figure:
    drawn = style.blank(300)
    style.write(drawn, 20, 60, "$100 and _names_ are no formula")
    style.place(drawn, 100, 120, np.full((50, 80, 3), (200, 30, 60), np.uint8))
    return drawn


def test_saved_bytes_are_the_same_whatever_the_users_settings(tmp_path: Path) -> None:
    style.save(figure(), tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "savefig.dpi": 50, "font.family": "serif", "savefig.bbox": "tight"}):
        style.save(figure(), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_saved_picture_says_nothing_about_when_and_by_what(tmp_path: Path) -> None:
    style.save(figure(), tmp_path / "a.png")
    data, place, kinds = (tmp_path / "a.png").read_bytes(), 8, set()
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kinds.add(data[place + 4 : place + 8].decode())
        assert (
            zlib.crc32(data[place + 4 : place + 8 + length]) == struct.unpack(">I", data[place + 8 + length :][:4])[0]
        )
        place += length + 12
    assert kinds == {"IHDR", "pHYs", "IDAT", "IEND"}


def test_pixels_are_placed_unscaled(tmp_path: Path) -> None:
    from PIL import Image

    style.save(figure(), tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert pixels.shape == (300, style.WIDTH, 3)
    red = (pixels == (200, 30, 60)).all(2)
    assert red[120:170, 100:180].all() and red.sum() == 50 * 80


def test_the_layout_check_finds_faults() -> None:
    drawn = figure()
    assert faults(drawn) == []
    style.write(drawn, 25, 65, "over it")
    style.write(drawn, style.WIDTH - 30, 200, "beyond the edge")
    style.write(drawn, 110, 150, "on the picture")
    found = " ".join(faults(drawn))
    assert "overlap" in found and "'beyond the edge' is cut off" in found and "'on the picture' lies on" in found
