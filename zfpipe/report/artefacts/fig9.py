"""Fig. 9: accuracy on Caltech-256 by training images per class, pretrained and from scratch."""

from matplotlib.figure import Figure

from zfpipe import paths
from zfpipe.report.artefacts import table5
from zfpipe.report.engine import style, transfer
from zfpipe.report.engine.artefact import Artefact, Data, Details
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above
from zfpipe.report.engine.measure import NOTHING, Measure, number
from zfpipe.report.engine.networks import learned
from zfpipe.report.engine.tables import parted

ARTEFACT = Artefact(
    name="Figure 9",
    section="5.2",
    title="Accuracy against training images per class",
    caption="How many images of a new set it takes: features of the pretrained network with a new softmax, and the "
    "same network trained on the new set alone. Both sides have the same axes; the sets differ.",
    paper="With 6 training images per class the pretrained network beats the best accuracy that others reached with "
    "60.",
    folder=paths.TRANSFER / "caltech256",
    made_by=("figure@9", "transfer@caltech256", "scratch@caltech256", "harvest@caltech256, train@zfnet"),
    printed="All published numbers stand in the figure; between them the paper draws a curve, without numbers.",
    parameters=("runs.zfnet", "targets.caltech256", "transfer", "scratch", "crops.size"),
    results={"accuracy.csv": "pretrained", "scratch.csv": "from scratch"},
)
METHODS = """
- What others reached on Caltech-256 is compared with on that set alone, not on drawn pictures
  {{ about("targets.caltech256.root") }}.
"""
FEW = 6  # with 6 images per class the pretrained network beats others' best with 60 (section 5.2)
BEATEN = table5.TABLE.printed("(Bo et al., 2013)", "60 per class")
OURS = {"Ours, pretrained": (style.COLOURS[0], "o-"), "Ours, from scratch": (style.COLOURS[1], "s-")}
PUBLISHED = {
    transfer.PRETRAINED: (style.COLOURS[0], "o--"),
    transfer.SCRATCH: (style.COLOURS[1], "s--"),
    "(Bo et al., 2013)": (style.MUTED, "^--"),
    "(Sohn et al., 2011)": (style.COLOURS[7], "v--"),
}
"""Each curve's colour, and its mark and line; dashed: published."""

Curve = dict[int, Measure]  # accuracy in % by training images per class


def ours(data: Data) -> dict[str, Curve]:
    """Return our curves, without the one from scratch if the network was not trained here."""
    found = zip(OURS, (transfer.pretrained(data), transfer.scratch(data)), strict=True)
    return {name: {count: Measure.mean(folds, "folds") for count, folds in by.items()} for name, by in found if by}


def printed() -> dict[str, Curve]:
    """Return the published curves, from the numbers of Table 5."""
    found = {}
    for name in PUBLISHED:
        points = zip(transfer.counts(table5.TABLE), map(parted, table5.TABLE.row(name).values), strict=True)
        found[name] = {
            count: Measure(value, deviation=deviation) for count, (value, deviation) in points if value is not None
        }
    return found


def draw(data: Data, drawing: style.Drawing) -> Figure:
    """Draw our curves and the published ones."""
    figure = style.figure(960)
    left, right = figure.subplots(1, 2)
    accuracies, curves, published = data["accuracy.csv"], ours(data), printed()
    left.set_title(f"Ours: {transfer.described(accuracies)}", fontsize=style.TITLE)
    right.set_title("Published: Caltech-256", fontsize=style.TITLE)
    for axes, looks, found in ((left, OURS, curves), (right, PUBLISHED, published)):
        for name, curve in found.items():
            means, deviations = [one.value for one in curve.values()], [one.deviation or 0 for one in curve.values()]
            colour, look = looks[name]
            axes.errorbar(list(curve), means, deviations, fmt=look, color=colour, capsize=6, label=name.strip("()"))
    left.axhline(100 / accuracies["classes"].iloc[0], color=style.MUTED, linewidth=1.5, linestyle=":", label="Chance")
    right.plot(
        [FEW], [BEATEN], color=style.COLOURS[0], marker="^", markersize=14, markerfacecolor="none", linestyle="none"
    )
    words = f"above {number(BEATEN, 1)}% with {FEW} images"
    right.annotate(words, (FEW, BEATEN), (14, 0), textcoords="offset points", va="center")
    most = max(count for curve in (*curves.values(), *published.values()) for count in curve)
    for axes, place in ((left, "best"), (right, "lower right")):
        axes.set(xlim=(0, most * 1.03), ylim=(0, 100), xlabel="training images per class", ylabel="accuracy, %")
        axes.legend(loc=place)
    folds = [f"{next(iter(curve.values())).n} {name.removeprefix('Ours, ')}" for name, curve in curves.items()]
    words = f"Bars: one standard deviation over folds ({', '.join(folds)}); {accuracies['test_images'].iloc[0]:,} test "
    style.note(figure, words + "images a fold. Published: Table 5's numbers and what the text says.")
    return figure


def alternative(data: Data) -> str:
    """Return the figure in words."""
    curves = "; ".join(
        f"{name}: " + ", ".join(f"{number(one.value, 0)}% with {count}" for count, one in curve.items())
        for name, curve in ours(data).items()
    )
    return f"Accuracy on Caltech-256 against training images per class, ours beside the published. {curves}."


def details(data: Data) -> Details:
    """Return every point of the curves as a table."""
    mine, theirs = ours(data), printed()
    columns = {
        "Pretrained, published": theirs[transfer.PRETRAINED],
        "Pretrained, ours": mine["Ours, pretrained"],
        "From scratch, published": theirs[transfer.SCRATCH],
        "From scratch, ours": mine.get("Ours, from scratch", {}),
    }
    rows = [
        [f"{count}", *(curve[count].plus_minus(1) if count in curve else NOTHING for curve in columns.values())]
        for count in sorted({count for curve in columns.values() for count in curve})
    ]
    return Details("Accuracy in %", ("Images per class", *columns), rows, open=True)


def few_images(data: Data, given: Given) -> list[Measure]:
    """Return the pretrained network's accuracy on few images minus the network from scratch on the most images."""
    if not (scratch := transfer.scratch(data)):
        raise Unmeasurable(transfer.NO_SCRATCH)
    published = BEATEN - table5.TABLE.printed(transfer.SCRATCH, "60 per class")
    return [transfer.difference(few(data), scratch[max(scratch)], "", published if max(scratch) == 60 else None)]


def beats_others(data: Data, given: Given) -> list[Measure]:
    """Return the pretrained network's accuracy on few images minus others' best with 60."""
    if given.targets.caltech256.embedded:
        raise Unmeasurable(transfer.DRAWN.format("Caltech-256"))
    return [Measure.mean(few(data) - BEATEN, "folds")]


def few(data: Data) -> transfer.Folds:
    """Return the pretrained network's accuracies on few images."""
    found = transfer.pretrained(data)
    if FEW not in found:
        raise Unmeasurable(f"targets.caltech256.fewer has no {FEW}")
    return found[FEW]


CLAIMS = (
    Claim("few-images", "A few training images are enough for pretrained features.",
          "accuracy, pretrained with 6 images per class minus from scratch with the most trained on, on the "
          "same folds", "points",
          above(), few_images, "from scratch with the most images",
          [learned("zfnet")]),
    Claim("six-images", "With 6 images per class they beat what others reached with 60.",
          "accuracy on Caltech-256 with 6 images per class minus Bo et al.'s with 60", "points", above(), beats_others,
          "Bo et al.'s accuracy", [learned("zfnet")]),
)  # fmt: skip
