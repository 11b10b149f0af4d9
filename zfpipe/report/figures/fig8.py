"""Fig. 8: the faces of the correspondence experiment, with the same parts hidden, and random places."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.numbers.measured import present
from zfpipe.report.plotting import style, tiles
from zfpipe.report.plotting.style import BODY, MARGIN, MUTED, WIDTH, Drawing

FOLDER = paths.CORRESPONDENCE
TITLES = ("Original", "Right eye", "Left eye", "Nose", "Random")
BETWEEN, HEADER, LABEL = 8, 64, 40


def draw(folder: Path, drawing: Drawing) -> Figure:
    """Draws Fig. 8 from the pictures of the `correspondence` stage."""
    described, pictures = read(folder)
    columns = pictures.shape[1]
    size = (WIDTH - 2 * MARGIN - (columns - 1) * BETWEEN) // columns
    figure = style.blank(HEADER + len(pictures) * (size + LABEL) + 40)
    for column in range(columns):
        left = MARGIN + column * (size + BETWEEN)
        if column < len(TITLES):
            title = TITLES[column]
            style.write(figure, left, 44, title, BODY + 4, weight="bold")
        for row, image in enumerate(described["images"]):
            top = HEADER + row * (size + LABEL)
            style.place(figure, left, top, tiles.scaled(pictures[row, column], size, size))
            if column == 0:
                style.write(figure, left, top + size + 28, f"{image['class']}", BODY)
    style.write(figure, MARGIN, HEADER + len(pictures) * (size + LABEL) + 16, note(described), BODY, color=MUTED)
    return figure


def read(folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The faces' description, and their pictures `(image, mask, y, x, 3)`, the first unmasked."""
    described = json.loads(present(folder / "images.json", "correspondence").read_text())
    return described, np.load(folder / "images.npy")


def note(described: dict[str, Any]) -> str:
    """How large the masks are."""
    sizes = sorted(image["size"] for image in described["images"])
    return (
        f"One size of mask for each face, {sizes[0]} to {sizes[-1]} pixels: the longest side of its parts' boxes. "
        f"Right and left are the creature's own. {described['random']} random places each; some are shown."
    )


def alternative(folder: Path) -> str:
    """Fig. 8 in words."""
    described, _ = read(folder)
    faces = ", ".join(image["class"] for image in described["images"])
    return f"Faces ({faces}), each as it is, then with its right eye, left eye, nose and random places hidden."


def details(folder: Path) -> dict[str, Any] | None:
    """None: Table 1 has the numbers."""
    return None
