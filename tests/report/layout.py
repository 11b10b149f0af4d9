"""Whether a figure's words can be read: inside the figure, clear of each other and of the pictures."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import FigureImage
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def words(figure: Figure) -> dict[Text, Bbox]:
    """Every visible text and the pixels it covers."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the words of charts have no place before
    renderer = canvas.get_renderer()
    beyond = [
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]  # there, but not drawn
    texts = [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text() and text not in beyond
    ]
    return {text: text.get_window_extent(renderer) for text in texts}


def faults(figure: Figure) -> list[str]:
    """What is wrong with the figure's words; nothing when all can be read."""
    boxes = words(figure)
    width, height = figure.get_size_inches() * figure.dpi
    found = [
        f"{text.get_text()!r} is cut off"
        for text, box in boxes.items()
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]
    found += [
        f"{one.get_text()!r} and {other.get_text()!r} overlap"
        for (one, box), (other, beside) in combinations(boxes.items(), 2)
        if Bbox.intersection(box, beside) is not None
    ]
    for image in figure.findobj(FigureImage):
        assert isinstance(image, FigureImage)
        pixels = image.get_array()
        assert pixels is not None
        rows, columns = pixels.shape[:2]
        area = Bbox.from_bounds(image.ox, image.oy, columns, rows)
        found += [
            f"{text.get_text()!r} lies on a picture" for text, box in boxes.items() if Bbox.intersection(box, area)
        ]
    return found
