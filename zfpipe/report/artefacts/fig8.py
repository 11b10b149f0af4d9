"""Fig. 8: the faces of the correspondence experiment, with the same parts or random places hidden."""

from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.engine import style
from zfpipe.report.engine.artefact import Artefact, Data

ARTEFACT = Artefact(
    name="Figure 8",
    section="4.3",
    title="The images of the correspondence experiment",
    caption="Faces that look at us, each as it is and with its right eye, left eye, nose and random places hidden by a "
    "grey square of one size. Random places are centred on the object (anywhere, where the object is not known) and "
    "lie where no part's square does. Table 1 has the numbers.",
    paper="Five dogs, each with the same parts and random places hidden.",
    folder=paths.CORRESPONDENCE,
    made_by=("figure@8", "correspondence", "train@zfnet"),
    printed="The paper prints no numbers with this figure.",
    parameters=("runs.zfnet", "correspondence", "crops.size"),
    results={"images.json": "the images"},
)
METHODS = """
- {{ p("correspondence.images") }} faces that look at us, at random from seed {{ p("correspondence.seed") }}, and
  beside them all there are: both eyes and the nose known and inside the crop, the eyes level within 15 degrees, the
  nose below them and within 0.3 of their distance from the middle.
"""
HIDDEN = ("Original", "Right eye", "Left eye", "Nose", "Random")


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw a row for each face, and a column for each hidden place."""
    faces, pictures = data["images.json"]["images"], data["images.npy"]
    rows, columns = pictures.shape[:2]
    figure = style.figure(90 + rows * (style.WIDTH / columns + 26))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, title in zip(grid[0], HIDDEN, strict=False):
        axes.set_title(title)
    for face, row, shown in zip(faces, grid, pictures, strict=True):
        for axes, picture in zip(row, shown, strict=True):
            style.bare(axes).imshow(picture)
        row[0].set_xlabel(face["class"], loc="left")
    sizes, random = sorted(face["size"] for face in faces), data["images.json"]["random"]
    words = f"One size of mask for each face, {sizes[0]} to {sizes[-1]} pixels: the longest side of its parts' boxes. "
    words += f"Right and left are the creature's own. {random} random places each; some are shown."
    style.note(figure, words)
    return figure


def alternative(data: Data) -> str:
    """Return the figure in words."""
    faces = ", ".join(face["class"] for face in data["images.json"]["images"])
    return f"Faces ({faces}), each as it is, then with its right eye, left eye, nose and random places hidden."
