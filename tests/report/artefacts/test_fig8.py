from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.report.artefacts.layout import faults, words
from zfpipe.report.artefacts import fig8
from zfpipe.report.engine import style


def made(faces: int = 5, side: int = 24, name: str = "spaniel") -> dict[str, Any]:
    pictures = np.random.default_rng(0).integers(0, 256, (faces, 7, side, side, 3), np.uint8)
    described = [{"id": place, "class": f"{name} {place}", "size": 20 - place} for place in range(faces)]
    return {"images.json": {"images": described, "random": 10}, "images.npy": pictures}


def draw(data: dict[str, Any]) -> Figure:
    with style.context():
        return fig8.draw(data, style.Drawing(99.0, 24))


@pytest.mark.parametrize("data", [made(), made(1), made(2, 224, "wire-haired pointing griffon of the northern plains")])
def test_every_word_can_be_read(data: dict[str, Any]) -> None:
    figure = draw(data)
    assert faults(figure) == []
    assert figure.axes[0].get_window_extent().width > 240, "long names make the pictures small"


def test_each_face_has_its_row_and_each_hidden_place_its_column() -> None:
    data = made()
    figure = draw(data)
    pictures = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert np.array_equal(np.stack(pictures), data["images.npy"].reshape(35, 24, 24, 3))
    found = [text.get_text() for text in words(figure)]
    assert [word for word in found if word in fig8.HIDDEN] == list(fig8.HIDDEN)
    assert [word for word in found if word.startswith("spaniel")] == [f"spaniel {place}" for place in range(5)]
    assert any("16 to 20 pixels" in word and "10 random places" in word for word in found)


def test_the_alternative_names_the_faces() -> None:
    assert fig8.alternative(made(2)).startswith("Faces (spaniel 0, spaniel 1), each as it is")
