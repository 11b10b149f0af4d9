"""Table 3: effects of removing and resizing layers on the errors."""

from zfpipe import paths
from zfpipe.report.engine import networks
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import NARROWER, WIDER, Claim, Given, Unmeasurable, above, within
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.tables import Filled, Row, Runs, Table

ARTEFACT = Artefact(
    name="Table 3",
    section="5.1",
    title="What removing and resizing layers costs",
    caption="Layers taken out of AlexNet's architecture and ours, or made smaller and larger, each trained from "
    "scratch.",
    paper="Removing two layers costs little, removing four a lot: depth matters. The size of the fully connected "
    "layers matters little; wider middle layers help, and wider everything overfits.",
    folder=paths.METRICS,
    made_by=("table@3", "evaluate@RUN", "train@RUN"),
    parameters=("runs", "training", "crops.size", "betons.resize", "evaluation"),
)
KRIZHEVSKY, OURS = "The model of (Krizhevsky et al., 2012)", "Our model (see Fig. 3)"
PRINTED = (
    (KRIZHEVSKY, "Our replication of (Krizhevsky et al., 2012), 1 convnet", "alexnet", (35.1, 40.5, 18.1)),
    (KRIZHEVSKY, "Removed layers 3,4", "alexnet-no34", (41.8, 45.4, 22.1)),
    (KRIZHEVSKY, "Removed layer 7", "alexnet-no7", (27.4, 40.0, 18.4)),
    (KRIZHEVSKY, "Removed layers 6,7", "alexnet-no67", (27.4, 44.8, 22.4)),
    (KRIZHEVSKY, "Removed layer 3,4,6,7", "alexnet-no3467", (71.1, 71.3, 50.1)),
    (KRIZHEVSKY, "Adjust layers 6,7: 2048 units", "alexnet-fc2048", (40.3, 41.7, 18.8)),
    (KRIZHEVSKY, "Adjust layers 6,7: 8192 units", "alexnet-fc8192", (26.8, 40.0, 18.1)),
    (OURS, "Our Model (as per Fig. 3)", "zfnet", (33.1, 38.4, 16.5)),
    (OURS, "Adjust layers 6,7: 2048 units", "zfnet-fc2048", (38.2, 40.2, 17.6)),
    (OURS, "Adjust layers 6,7: 8192 units", "zfnet-fc8192", (22.0, 38.8, 17.0)),
    (OURS, "Adjust layers 3,4,5: 512,1024,512 maps", "zfnet-wide", (18.8, 37.5, 16.0)),
    (OURS, "Adjust layers 6,7: 8192 units and Layers 3,4,5: 512,1024,512 maps", "zfnet-wide-fc8192",
     (10.0, 38.3, 16.9)),
)  # fmt: skip
"""Each row's group, name, our run and printed errors."""
ROWS = tuple(Row(name, errors, run, group=group) for group, name, run, errors in PRINTED)
TABLE = Table("Error %", 1, ("Train Top-1", "Val Top-1", "Val Top-5"), ROWS)
METHODS = """
- A row of Table 3 leaves everything else alone: layer 5's pooling stays when layers 3 and 4 go. Each run's base,
  changes and seed stand under All networks {{ about("runs") }}.
- Depth: what removing four layers costs beyond what removing either pair costs.
"""
PAIRS = (
    ("AlexNet without layers 3 and 4 − with them", "alexnet-no34", "alexnet"),
    ("AlexNet without layer 7 − with it", "alexnet-no7", "alexnet"),
    ("AlexNet without layers 6 and 7 − with them", "alexnet-no67", "alexnet"),
    ("AlexNet without layers 3, 4, 6 and 7 − with them", "alexnet-no3467", "alexnet"),
    ("AlexNet, layers 6 and 7 of half size − full", "alexnet-fc2048", "alexnet"),
    ("AlexNet, layers 6 and 7 of double size − single", "alexnet-fc8192", "alexnet"),
    ("Fig. 3, layers 6 and 7 of half size − full", "zfnet-fc2048", "zfnet"),
    ("Fig. 3, layers 6 and 7 of double size − single", "zfnet-fc8192", "zfnet"),
    ("Fig. 3, wider layers 3 to 5 − as they are", "zfnet-wide", "zfnet"),
)
"""Pairs of rows whose errors are compared, first minus second, with the comparison in words."""
DEPTH = {"alexnet-no3467": 1, "alexnet-no34": -1, "alexnet-no67": -1, "alexnet": 1}
EVERYTHING = {"zfnet-wide-fc8192": 1, "zfnet": -1}
"""The runs of a claim, each with its weight in a sum."""
SIZES = (("zfnet", 2048), ("zfnet", 8192), ("alexnet", 2048), ("alexnet", 8192))  # changes of layers 6 and 7


def table(data: Data, runs: Runs) -> Filled:
    """Return the paper's rows with ours."""
    images = [data[f"{run}.json"]["train_images"] for run in runs]
    notes = [f"Our training errors: ten crops averaged, on {count:,} of the training images." for count in images[:1]]
    return networks.fill(TABLE, data, runs, *notes)


def differences(data: Data, given: Given) -> list[Measure]:
    """Return the differences of errors between rows."""
    gap = "Fig. 3, everything wider − as it is: validation − training error"
    return [
        *(networks.contrast(TABLE, data, given, {one: 1, other: -1}, part=part) for part, one, other in PAIRS),
        networks.contrast(TABLE, data, given, EVERYTHING, networks.overfitting, gap),
    ]


def grown(changed: str, base: str) -> float:
    """Return the change of the printed error in % of the base's error."""
    return 100 * (TABLE.printed(changed, "Val Top-1") / TABLE.printed(base, "Val Top-1") - 1)


def growth(data: Data, given: Given, changed: str, base: str = "alexnet", part: str = "") -> Measure:
    """Return the change of the error in % of the base's error, with the ratio's interval by the delta method."""
    given.needs(changed, base)
    groups = networks.measured(data, given.own)
    after, before = (float(networks.error(groups[run]).mean()) for run in (changed, base))
    if not before:
        raise Unmeasurable(f"{base} makes no error on these images")
    ratio = after / before
    half, seeds = networks.scatter({run: networks.error(group) for run, group in groups.items()})
    spread = (1 / len(groups[changed]) + ratio**2 / len(groups[base])) ** 0.5 / before
    return networks.around(100 * (ratio - 1), 100 * half * spread, seeds, part, grown(changed, base))


def sizes(data: Data, given: Given) -> list[Measure]:
    """Return the growth of both networks' errors with half and twice the units in layers 6 and 7, if they ran."""
    rows = [(f"{base}-fc{units}", base, f"{base}, {units} units") for base, units in SIZES]
    if not any(row[0] in given.runs for row in rows):
        given.needs(*(row[0] for row in rows))
    return [growth(data, given, *row) for row in rows if row[0] in given.runs]


SMALL = WIDER * max(grown("alexnet-no67", "alexnet"), grown("alexnet-no34", "alexnet"))
DRAMATIC = NARROWER * grown("alexnet-no3467", "alexnet")
LITTLE = WIDER * max(abs(grown(f"{base}-fc{units}", base)) for base, units in SIZES)
"""Limits in % of the error for the paper's words slight or relatively small, dramatic, and little difference."""
GROWTH, OF_ERROR = "growth of AlexNet's validation top-1 error", "% of the error"
LARGEST = "one and a half times the largest growth that the paper calls slight or relatively small"

SEEDS = "networks that differ in the seed alone: no growth, give or take their scatter"
SAME = "networks that differ in the seed alone: no difference, give or take their scatter"
BASE, OWN = (networks.learned("alexnet"),), (networks.learned("zfnet"),)
CLAIMS = (
    Claim("dense-removed", "Removing layers 6 and 7 raises the error only slightly.", GROWTH, OF_ERROR, within(SMALL),
          lambda data, given: [growth(data, given, "alexnet-no67")], SEEDS, BASE, why=LARGEST),
    Claim("middle-removed", "Removing layers 3 and 4 makes a relatively small difference.", GROWTH, OF_ERROR,
          within(SMALL), lambda data, given: [growth(data, given, "alexnet-no34")], SEEDS, BASE, why=LARGEST),
    Claim("both-removed", "Removing layers 3, 4, 6 and 7 is dramatically worse.", GROWTH, OF_ERROR, above(DRAMATIC),
          lambda data, given: [growth(data, given, "alexnet-no3467")], SEEDS, BASE, why="half of the paper's growth"),
    Claim("depth", "Depth as such matters, not any one section.",
          "what removing all four layers adds to AlexNet's validation top-1 error beyond what removing either pair "
          "adds", "points", above(), lambda data, given: networks.tested(TABLE, data, given, DEPTH), SAME, BASE),
    Claim("dense-sizes", "The size of layers 6 and 7 makes little difference.",
          "change of the validation top-1 error with 2,048 and 8,192 units, for each that was trained", OF_ERROR,
          within(LITTLE), sizes, SEEDS, BASE + OWN, why="one and a half times the paper's largest change"),
    Claim("wider-middle", "Wider layers 3, 4 and 5 are a useful gain.",
          "validation top-1 error of Fig. 3's network minus that with wider middle layers", "points", above(),
          lambda data, given: networks.tested(TABLE, data, given, {"zfnet": 1, "zfnet-wide": -1}), SAME, OWN),
    Claim("wider-everything", "Wider layers 6 and 7 as well result in overfitting.",
          "validation minus training top-1 error, everything wider minus as it is", "points", above(),
          lambda data, given: networks.tested(TABLE, data, given, EVERYTHING, networks.overfitting), SAME, OWN),
)  # fmt: skip
