"""Find what can't be read in a figure: words that overlap or are cut off, and pictures without enough room."""

from itertools import combinations
from unittest.mock import patch

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from zfpipe.report.engine import style, tiles


def words(figure: Figure) -> dict[Text, Bbox]:
    """Return every text that is drawn and the pixels it covers."""
    drawn, draw = list[Text](), Text.draw

    def noticed(text: Text, renderer: RendererBase) -> None:
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        draw(text, renderer)

    canvas = FigureCanvasAgg(figure)
    with style.context(), patch.object(Text, "draw", noticed):
        canvas.draw()
    renderer = canvas.get_renderer()
    return {text: Text.get_window_extent(text, renderer) for text in drawn}  # for a note, without its arrow


def faults(figure: Figure) -> list[str]:
    """Return the faults of the figure, none if everything can be read."""
    boxes = words(figure)
    width, height = figure.get_size_inches() * figure.dpi
    found = [] if round(width) == style.WIDTH else [f"the figure is {width:g} pixels wide"]
    for text, box in boxes.items():
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            found.append(f"{text.get_text()!r} is cut off")
        if float(text.get_fontsize()) < style.SMALL:
            found.append(f"{text.get_text()!r} is smaller than {style.SMALL} pt")
    found += [
        f"{one.get_text()!r} and {other.get_text()!r} overlap"
        for (one, box), (other, beside) in combinations(boxes.items(), 2)
        if Bbox.intersection(box, beside) is not None
    ]
    for picture in figure.findobj(tiles.Placed):
        assert isinstance(picture, tiles.Placed) and picture.axes is not None
        room = picture.axes.get_window_extent()
        rows, columns = picture.pixels.shape[:2]
        if rows > room.height + 0.5 or columns > room.width + 0.5:
            found.append(f"a picture of {columns} × {rows} has {room.width:.0f} × {room.height:.0f} pixels of room")
        area = Bbox.from_bounds(room.x0, room.y1 - rows, columns, rows)
        found += [
            f"{text.get_text()!r} lies on a picture" for text, box in boxes.items() if Bbox.intersection(box, area)
        ]
    return found
