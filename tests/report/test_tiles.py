import numpy as np

from zfpipe.report.plotting import tiles
from zfpipe.report.plotting.style import HATCH, PAPER


def test_magnified_pixels_stay_sharp_squares() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 3), np.uint8)
    assert (tiles.scaled(pixels, 12, 8) == pixels.repeat(4, 0).repeat(4, 1)).all()


def test_made_smaller_pixels_are_averaged() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[::2] = 200
    assert (tiles.scaled(pixels, 2, 2) == 100).all()


def test_a_tile_is_blank_where_nothing_is_visible() -> None:
    visible = np.zeros((10, 10), bool)
    visible[3:, :5] = True
    tile = tiles.tile(np.full((10, 10, 3), 7, np.uint8), visible, 40)
    expected = np.full((40, 40), PAPER)
    expected[12:, :20] = 7
    assert (tile == expected[..., None]).all()
    assert (tiles.tile(np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5), bool), 20) == PAPER).all()


def test_a_grid_fills_rows_and_leaves_gaps_white() -> None:
    shades = [np.full((5, 4, 3), shade, np.uint8) for shade in (10, 20, 30)]
    sheet = tiles.grid(shades, 2)
    assert sheet.shape == (5 * 2 + tiles.GAP, 4 * 2 + tiles.GAP, 3)
    assert sheet[0, 0, 0] == 10 and sheet[0, -1, 0] == 20 and sheet[-1, 0, 0] == 30 and sheet[-1, -1, 0] == 255
    assert (sheet[:, 4 : 4 + tiles.GAP] == 255).all()


def test_hatching_is_seen() -> None:
    assert set(np.unique(tiles.hatched(30, 30))) == {HATCH, PAPER}
