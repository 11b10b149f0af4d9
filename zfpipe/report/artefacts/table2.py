"""Table 2: errors of single networks and of ensembles."""

from zfpipe import paths
from zfpipe.report.engine import networks
from zfpipe.report.engine.artefact import Artefact, Data
from zfpipe.report.engine.claims import Claim, Given, Unmeasurable, above
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.tables import Filled, Row, Runs, Table

ARTEFACT = Artefact(
    name="Table 2",
    section="5.1",
    title="Errors of single networks and of several together",
    caption="Each row of the paper, and beside it our run of the same network.",
    paper="The network of Fig. 3 beats the replication of AlexNet by 2.1 points top-1; several networks together beat "
    "one.",
    folder=paths.METRICS,
    made_by=("table@2", "evaluate@RUN", "train@RUN"),
    parameters=("runs", "training", "crops.size", "betons.resize", "evaluation"),
)
ROWS = (
    Row("(Gunji et al., 2012)", (None, None, 26.2), others=True),
    Row("(Krizhevsky et al., 2012), 1 convnet", (40.7, 18.2, None), others=True),
    Row("(Krizhevsky et al., 2012), 5 convnets", (38.1, 16.4, 16.4), others=True),
    Row("(Krizhevsky et al., 2012) ∗ , 1 convnets", (39.0, 16.6, None), others=True),
    Row("(Krizhevsky et al., 2012) ∗ , 7 convnets", (36.7, 15.4, 15.3), others=True),
    Row("Our replication of (Krizhevsky et al., 2012), 1 convnet", (40.5, 18.1, None), "alexnet"),
    Row("1 convnet as per Fig. 3", (38.4, 16.5, None), "zfnet"),
    Row("5 convnets as per Fig. 3 – (a)", (36.7, 15.3, 15.3), "zfnet-five"),
    Row("1 convnet as per Fig. 3 but with layers 3,4,5: 512,1024,512 maps – (b)", (37.5, 16.0, 16.1), "zfnet-wide"),
    Row("6 convnets, (a) & (b) combined", (36.0, 14.7, 14.8), "zfnet-six"),
)
TABLE = Table("Error %", 1, ("Val Top-1", "Val Top-5", "Test Top-5"), ROWS)
METHODS = """
- Errors are of the mean of the ten crops' softmax; a tie for the k-th place counts as an error.
- The training error is measured the same way on
  {% if value("evaluation.train_images") is none %}all{% else %}the first {{ p("evaluation.train_images") }}{% endif %}
  training images of the stored order {{ about("evaluation.train_images") }}.
- Several networks together: the mean of their probabilities, each over ten crops {{ about("ensembles") }}. They gain on
  the mean error of their members, image by image.
- Runs that differ in the seed alone give a mean and a 95 % interval by Student's t. Where rows are compared, every
  network is taken to scatter as those seeds do; what several networks together gain is measured image by image.
"""
COMPARED = {"alexnet": 1, "zfnet": -1}


def table(data: Data, runs: Runs) -> Filled:
    """Return the paper's rows with ours."""
    test = "Test Top-5 is not available to us: the labels of ImageNet's test set were never released."
    return networks.fill(TABLE, data, runs, "∗ Trained on ImageNet 2011 and 2012.", test)


def differences(data: Data, given: Given) -> list[Measure]:
    """Return AlexNet's error minus the error of Fig. 3's network."""
    return [networks.contrast(TABLE, data, given, COMPARED, part="AlexNet's error − that of Fig. 3's network")]


def together(data: Data, given: Given, name: str) -> list[Measure]:
    """Return the mean error of an ensemble's members minus the ensemble's error, over the validation images."""
    if name not in given.ensembles:
        raise Unmeasurable(f"params.yaml has no ensemble {name}")
    found = data["ensembles.json"][name]
    value, low, high = (100 * found[column] for column in ("gain_top1", "gain_top1_low", "gain_top1_high"))
    one, wide, several = (TABLE.printed(run, "Val Top-1") for run in ("zfnet", "zfnet-wide", name))
    published = {"zfnet-five": one, "zfnet-six": (5 * one + wide) / 6}[name] - several
    over = f"images, {len(found['runs'])} networks"
    return [Measure(value, low, high, found["val_images"], over, published=published)]


OWN = (networks.learned("zfnet"),)
CLAIMS = (
    Claim("architecture", "The network of Fig. 3 beats AlexNet.",
          "validation top-1 error, AlexNet's minus that of Fig. 3's network", "points", above(),
          lambda data, given: networks.tested(TABLE, data, given, COMPARED),
          "networks that differ in the seed alone: no difference, give or take their scatter",
          [networks.learned("zfnet", "alexnet")]),
    Claim("five-together", "Five networks together beat one.",
          "validation top-1 error, mean of the five minus theirs together", "points", above(),
          lambda data, given: together(data, given, "zfnet-five"), "no gain, over the images", OWN),
    Claim("six-together", "So do six, one of them wider.",
          "validation top-1 error, mean of the six minus theirs together", "points", above(),
          lambda data, given: together(data, given, "zfnet-six"), "no gain, over the images", OWN),
)  # fmt: skip
