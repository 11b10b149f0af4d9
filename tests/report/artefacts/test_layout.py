import numpy as np
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults
from zfpipe.report.engine import style, tiles


def drawn(picture: int = 40) -> Figure:
    with style.context():
        figure = style.figure(300)
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 100])
        left.set_title("Values")
        right.set_title("Tiles")
        tiles.place(right, np.zeros((picture, 50, 3), np.uint8))
        style.note(figure, "A note")
    return figure


def test_a_plain_figure_has_no_faults() -> None:
    assert faults(drawn()) == []


def test_faults_of_words_are_found() -> None:
    figure = drawn()
    figure.text(0.99, 0.5, "beyond the edge")
    figure.axes[1].text(0.01, 0.95, "covering", va="top")
    figure.axes[0].text(0.5, 50, "one")
    figure.axes[0].text(0.5, 50, "other", fontsize=9)
    found = faults(figure)
    for fault in (
        "'beyond the edge' is cut off",
        "'one' and 'other' overlap",
        "'other' is smaller than 14.5 pt",
        "'covering' lies on a picture",
    ):
        assert fault in found


def test_a_picture_without_room_is_found() -> None:
    assert any("a picture of 50 × 290 has" in fault for fault in faults(drawn(290)))
