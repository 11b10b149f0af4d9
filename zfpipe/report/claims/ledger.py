"""What the paper claims in words, each claim with the number that tests it and the rule that judges it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zfpipe.report.claims import correspondence, features, filters, invariance, networks, occlusion, transfer
from zfpipe.report.claims.given import Given
from zfpipe.report.claims.verdicts import Above, Below, Measure, Rule, Unmeasurable, Verdict, Within, judge
from zfpipe.report.claims.written import Line
from zfpipe.report.numbers.published import TABLE6, beaten
from zfpipe.report.tables.comparisons import number

DOMINANT = 2.0
"""A filter dominates from twice the median on; the paper prints no number."""
STABLE = 0.75
"""An output is stable when the true class keeps three quarters of its probability; the paper prints curves."""
STRAIGHT = 0.9
"""Nearly linear: a straight line explains nine tenths of the variance; the paper prints curves."""


@dataclass(frozen=True)
class Claim:
    """A claim in our words and how it is tested.

    `statistic` says what is measured, in `unit`; `measure` measures it, once for each thing the claim must hold for;
    `published` is the paper's number of the same where it has one and the measures bring none; `why` says where a
    threshold comes from. `artefact` is its place on the page.
    """

    id: str
    section: str
    artefact: str
    claim: str
    statistic: str
    unit: str
    rule: Rule
    measure: Callable[[Given], Sequence[Measure]]
    published: float | None = None
    why: str = ""


LEDGER = (
    Claim(
        "dominance",
        "3",
        "figure-6",
        "Without renormalisation a few filters of layer 1 dominate.",
        "largest over median RMS of the layer-1 filters, trained without renormalisation",
        "times",
        Above(DOMINANT),
        filters.dominates,
        why="twice the median; the paper prints no number",
    ),
    Claim(
        "renormalisation",
        "3",
        "figure-6",
        "Renormalising the filters combats that.",
        "the same number without renormalisation, over that with it",
        "times",
        Above(1.0),
        filters.renormalised,
    ),
    Claim(
        "grouping",
        "4",
        "features",
        "The nine strongest projections of a map group tightly.",
        "mean correlation of a map's strongest projections with one another, minus with those of another map; in each "
        "layer from 2",
        "",
        Above(),
        features.grouping,
    ),
    Claim(
        "variety",
        "4",
        "features",
        "The image patches behind them vary more.",
        "mean correlation of a map's strongest projections minus that of their patches; in each layer from 2",
        "",
        Above(),
        features.variety,
    ),
    Claim(
        "invariance",
        "4",
        "figure-5",
        "Invariance grows with depth.",
        "distance that features go when images are moved, enlarged and turned, in units of the median distance between "
        "two images: lowest layer minus highest, mean over all amounts; for each kind of change",
        "",
        Above(),
        invariance.grows,
    ),
    Claim(
        "specificity",
        "4",
        "features",
        "Features are more specific to a class the higher the layer.",
        "share of the most frequent class among a map's strongest images: slope over the layers",
        "a layer",
        Above(),
        features.specificity,
    ),
    Claim(
        "convergence",
        "4",
        "figure-4",
        "Low layers converge within a few epochs, high layers late.",
        "mean epoch at which maps settle, dead ones left out: highest convolution layer minus lowest",
        "epochs",
        Above(),
        features.convergence,
    ),
    Claim(
        "small-changes",
        "4",
        "figure-5",
        "Small transformations change layer 1 much and the top layer little.",
        "distance as above at the smallest amount: lowest layer minus highest; for each kind of change",
        "",
        Above(),
        invariance.small,
    ),
    Claim(
        "linearity",
        "4",
        "figure-5",
        "The top layer's change is nearly linear in translation and scale.",
        "R² of a straight line through no change, image by image, median; for each of the two",
        "",
        Above(STRAIGHT),
        invariance.linear,
        why="nine tenths of the variance; the paper prints curves",
    ),
    Claim(
        "stable",
        "4",
        "figure-5",
        "The output is stable to translation and scale.",
        "what the true class keeps of its probability, mean over all amounts; for each of the two",
        "",
        Above(STABLE),
        invariance.stable,
        why="three quarters; the paper prints curves",
    ),
    Claim(
        "rotation",
        "4",
        "figure-5",
        "The output is not stable to rotation.",
        "the same when images turn, mean over all angles",
        "",
        Below(STABLE),
        invariance.turned,
        why="three quarters, as for translation and scale",
    ),
    Claim(
        "dead",
        "4.1",
        "figure-6",
        "Smaller filters and stride give fewer dead features in layer 1.",
        "share of layer-1 filters that never fire: AlexNet's minus ours",
        "",
        Above(),
        filters.dead,
    ),
    Claim(
        "distinct",
        "4.1",
        "figure-6",
        "They give more distinct features in layer 1.",
        "mean size of the correlation between two layer-1 maps over all places of all images: AlexNet's minus ours",
        "",
        Above(),
        filters.distinct,
    ),
    Claim(
        "frequencies",
        "4.1",
        "figure-6",
        "They cover the middle frequencies, which AlexNet's layer 1 hardly does.",
        "share of the filters' power between 1/8 and 1/4 of a cycle per pixel: ours minus AlexNet's",
        "",
        Above(),
        filters.frequencies,
    ),
    Claim(
        "aliasing",
        "4.1",
        "figure-6",
        "AlexNet's layer 2 shows aliasing from its stride.",
        "power of its layer-2 projections at the sampling frequency of layer 1 over the power beside it",
        "times",
        Above(1.0),
        filters.aliasing,
    ),
    Claim(
        "aliasing-removed",
        "4.1",
        "figure-6",
        "The smaller stride removes it.",
        "the same ratio, AlexNet's minus ours",
        "",
        Above(),
        filters.less_aliasing,
    ),
    Claim(
        "hidden-object",
        "4.2",
        "figure-7",
        "Hiding the object makes the true class drop: the network looks at the object.",
        "fall of the true class's probability with the square on the object, minus off it",
        "",
        Above(),
        occlusion.hidden_object,
    ),
    Claim(
        "hidden-structure",
        "4.2",
        "figure-7",
        "Hiding what the projection shows makes its map drop.",
        "correlation, over the square's positions, of the fall of the map's activity with the energy of its projection "
        "that is hidden",
        "",
        Above(),
        occlusion.hidden_structure,
    ),
    Claim(
        "correspondence",
        "4.3",
        "table-1",
        "Hiding eyes or nose changes layer 5 more alike from face to face than hiding random places.",
        "Hamming distance between the signs of two faces' changes: random places minus the part; for each part",
        "",
        Above(),
        correspondence.parts,
    ),
    Claim(
        "correspondence-above",
        "4.3",
        "table-1",
        "In layer 7 that difference is smaller.",
        "the same difference, mean over the parts: layer 5 minus layer 7",
        "",
        Above(),
        correspondence.less_above,
    ),
    Claim(
        "architecture",
        "5.1",
        "table-2",
        "The network of Fig. 3 beats AlexNet.",
        "validation top-1 error, AlexNet's minus that of Fig. 3's network",
        "points",
        Above(),
        networks.beats,
    ),
    Claim(
        "five-together",
        "5.1",
        "table-2",
        "Five networks together beat one.",
        "validation top-1 error, mean of the five minus theirs together",
        "points",
        Above(),
        networks.five,
    ),
    Claim(
        "six-together",
        "5.1",
        "table-2",
        "So do six, one of them wider.",
        "validation top-1 error, mean of the six minus theirs together",
        "points",
        Above(),
        networks.six,
    ),
    Claim(
        "dense-removed",
        "5.1",
        "table-3",
        "Removing layers 6 and 7 raises the error only slightly.",
        "growth of AlexNet's validation top-1 error",
        "% of the error",
        Below(networks.largest_small()),
        networks.dense_removed,
        why="one and a half times the largest growth that the paper calls slight or relatively small",
    ),
    Claim(
        "middle-removed",
        "5.1",
        "table-3",
        "Removing layers 3 and 4 makes a relatively small difference.",
        "growth of AlexNet's validation top-1 error",
        "% of the error",
        Below(networks.largest_small()),
        networks.middle_removed,
        why="one and a half times the largest growth that the paper calls slight or relatively small",
    ),
    Claim(
        "both-removed",
        "5.1",
        "table-3",
        "Removing layers 3, 4, 6 and 7 is dramatically worse.",
        "growth of AlexNet's validation top-1 error",
        "% of the error",
        Above(networks.smallest_dramatic()),
        networks.both_removed,
        why="half of the paper's growth",
    ),
    Claim(
        "depth",
        "5.1",
        "table-3",
        "Depth as such matters, not any one section.",
        "what removing all four layers adds to AlexNet's validation top-1 error beyond what removing either pair adds",
        "points",
        Above(),
        networks.depth,
    ),
    Claim(
        "dense-sizes",
        "5.1",
        "table-3",
        "The size of layers 6 and 7 makes little difference.",
        "change of the validation top-1 error with 2,048 and 8,192 units, in both networks",
        "% of the error",
        Within(networks.largest_little()),
        networks.dense_sizes,
        why="one and a half times the paper's largest change",
    ),
    Claim(
        "wider-middle",
        "5.1",
        "table-3",
        "Wider layers 3, 4 and 5 are a useful gain.",
        "validation top-1 error of Fig. 3's network minus that with wider middle layers",
        "points",
        Above(),
        networks.wider_middle,
    ),
    Claim(
        "wider-everything",
        "5.1",
        "table-3",
        "Wider layers 6 and 7 as well result in overfitting.",
        "validation minus training top-1 error, everything wider minus as it is",
        "points",
        Above(),
        networks.wider_everything,
    ),
    Claim(
        "caltech101",
        "5.2",
        "table-4",
        "On Caltech-101 pretrained features beat training from scratch by far.",
        "accuracy, pretrained minus from scratch on the same folds; for each number of images per class",
        "points",
        Above(transfer.by_far("caltech101")),
        transfer.caltech101,
        why="half of the paper's smallest difference",
    ),
    Claim(
        "caltech256",
        "5.2",
        "table-5",
        "On Caltech-256 too.",
        "accuracy, pretrained minus from scratch on the same folds; for each number of images per class",
        "points",
        Above(transfer.by_far("caltech256")),
        transfer.caltech256,
        why="half of the paper's smallest difference",
    ),
    Claim(
        "few-images",
        "5.2",
        "figure-9",
        "A few training images are enough for pretrained features.",
        "accuracy, pretrained with 6 images per class minus from scratch with the most, on the same folds",
        "points",
        Above(),
        transfer.few_images,
        beaten() - transfer.from_scratch(),
    ),
    Claim(
        "six-images",
        "5.2",
        "figure-9",
        "With 6 images per class they beat what others reached with 60.",
        "accuracy on Caltech-256 with 6 images per class minus Bo et al.'s with 60",
        "points",
        Above(),
        transfer.beats_others,
    ),
    Claim(
        "pascal",
        "5.2",
        "table-6",
        "Features generalise less well to PASCAL: others are better there.",
        "average precision on PASCAL VOC 2012 minus that of the best others, mean over the classes",
        "points",
        Below(0.0),
        transfer.pascal,
        number(TABLE6.rows[-1].values[2]) - number(TABLE6.rows[-1].values[1]),
    ),
    Claim(
        "deeper",
        "5.3",
        "table-7",
        "Deeper features discriminate better.",
        "rank correlation of an SVM's accuracy with the depth of its layer, fold by fold; for each set",
        "",
        Above(),
        transfer.deeper,
    ),
)
"""In the order of the paper's sections."""


def build(given: Given) -> list[Line]:
    """Every claim, measured and judged on the files in the current folder."""
    return [judged(claim, given) for claim in LEDGER]


def judged(claim: Claim, given: Given) -> Line:
    """A claim with its number and verdict."""
    rule = claim.rule.words(claim.unit) + (f" ({claim.why})" if claim.why else "")
    about = (claim.id, claim.section, claim.artefact, claim.claim, claim.statistic)
    try:
        measures = claim.measure(given)
        verdict, found = judge(claim.rule, measures)
    except Unmeasurable as error:
        nothing = (claim.published, None, None, None, None, None)
        return Line(*about, *nothing, claim.unit, rule, "not measurable here", str(error))
    published = claim.published if found.published is None else found.published
    numbers = (published, found.value, found.low, found.high)
    return Line(
        *about,
        *numbers,
        found.over,
        found.part if len(measures) > 1 else None,
        claim.unit,
        rule,
        verdict,
        reason(verdict, found),
    )


def reason(verdict: Verdict, measure: Measure) -> str | None:
    """Why there is no verdict."""
    if verdict != "undecided":
        return None
    return measure.over if measure.low is None else "the interval includes the rule's limit"
