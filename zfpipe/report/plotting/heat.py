"""Maps of values over an image: colours, and the object's outline over them."""

import matplotlib
import numpy as np

from zfpipe.report.plotting import tiles


def coloured(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Values 0 to 1 as bytes in a map of colours that the colour-blind can read, each a sharp square."""
    colours = matplotlib.colormaps["viridis"](np.clip(values, 0, 1))[..., :3]
    return tiles.scaled(np.rint(colours * 255).astype(np.uint8), height, width)


def outlined(panel: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A panel with the outline of the object: white, with a black line on both sides."""
    side = len(panel)
    places = np.arange(side) * len(mask) // side
    inside = np.pad(mask[np.ix_(places, places)], 3, mode="edge")
    edge = np.zeros((side, side), bool)
    wide = np.zeros((side, side), bool)
    for reach, line in ((1, edge), (2, wide)):
        for y, x in ((0, reach), (reach, 0), (0, -reach), (-reach, 0)):
            line |= inside[3:-3, 3:-3] != inside[3 + y : 3 + y + side, 3 + x : 3 + x + side]
    found = panel.copy()
    found[wide], found[edge] = 0, 255
    return found
