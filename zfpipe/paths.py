"""Every file the pipeline writes, and the files of parameters, named once, relative to the project's root."""

from pathlib import Path

PARAMS = Path("params.yaml")
PAPER = Path("paper.yaml")
"""What the paper states of the parameters."""

SETS = Path("sets")
"""Image sets that `zfpipe fetch` downloads."""

PICTURES = Path("data/pictures")
INDEX = PICTURES / "index.parquet"

OVERLAP = Path("data/overlap")
WATCHED = Path("data/watched")

WEIGHTS = Path("weights")
"""Weights of networks that were trained elsewhere, as their owner puts them there."""

BETONS = Path("data/betons")
MEAN = BETONS / "mean.npy"

PRETRAINED = Path("pretrained")
MODELS = Path("models")
EVALUATIONS = Path("evaluations")
METRICS = Path("metrics")
ENSEMBLES = METRICS / "ensembles.json"
ACTIVATIONS = Path("activations")
STRONGEST = ACTIVATIONS / "strongest.parquet"
STRONGEST_UNTRAINED = ACTIVATIONS / "untrained.parquet"
"""The same of the network with random weights."""
UNITS = Path("units")
NAMES = Path("names")
PROJECTIONS = Path("projections")
FILTERS = Path("filters")
EVOLUTION = Path("evolution")
INVARIANCE = Path("invariance")
OCCLUSION = Path("occlusion")
CORRESPONDENCE = Path("correspondence")
ATTRIBUTION = Path("attribution")
FEATURES = Path("features")
SHAPES = Path("shapes")
TRANSFER = Path("transfer")
DRAWING = Path("zfpipe/drawing")
"""Code that draws the embedded pictures; as the root of a set it stands for those."""
CURVES = Path("curves/history.csv")
PRINCIPLE = Path("principle")

REPORTS = Path("reports")
FIGURES = REPORTS / "figures"
TABLES = REPORTS / "tables"
ATLAS = REPORTS / "atlas"
CLAIMS = REPORTS / "claims.json"
MEASURES = REPORTS / "measures.csv"
"""Every number behind the claims, and the differences between rows of the tables."""
VERDICTS = Path("metrics.json")
"""The claims' verdicts and values, for `dvc metrics diff`."""
PAGE = REPORTS / "index.html"

SPOOL = Path(".zfpipe/spool")
"""What a stage keeps on disk while it runs; all of its processes see it."""
RESUME = Path(".zfpipe/resume")
"""Training state of interrupted runs: outside DVC, removed when a run completes."""


def beton(split: str) -> Path:
    """The FFCV file of a split."""
    return BETONS / f"{split}.beton"


def sidecar(split: str) -> Path:
    """Checksums, counts and class names of a split's beton."""
    return BETONS / f"{split}.json"


def rejected(split: str) -> Path:
    """The images of a split that could not be read, with the reason."""
    return BETONS / f"{split}.rejected.csv"


def target(name: str) -> Path:
    """The folder of a set that features are transferred to: its index, beton and, where it is embedded, pictures."""
    return Path("data/targets") / name


def harvest(name: str) -> Path:
    """The features of every image of such a set."""
    return Path("harvest") / f"{name}.parquet"


def overlap(name: str) -> Path:
    """The training images that stand in another set too: their list and, where there are some, a sheet."""
    return OVERLAP / name


def watched(what: str) -> Path:
    """A digest of what DVC does not see change."""
    return WATCHED / what / "digest.json"


def pretrained(base: str) -> Path:
    """What training of a base starts from: start.json says what, weights.safetensors are those of a source."""
    return PRETRAINED / base


def weights(run: str) -> Path:
    """The trained weights of a run."""
    return MODELS / run / "weights.safetensors"


def snapshots(run: str) -> Path:
    """The folder with a run's weights after some epochs, EPOCH.safetensors."""
    return MODELS / run / "snapshots"


def history(run: str) -> Path:
    """Loss and error of a run, a row per epoch."""
    return MODELS / run / "history.csv"


def evaluation(run: str) -> Path:
    """Ten-crop probabilities of a run on the validation split."""
    return EVALUATIONS / f"{run}.parquet"


def metrics(run: str) -> Path:
    """Errors of a run, for `dvc metrics`."""
    return METRICS / f"{run}.json"


def figure(number: str) -> Path:
    """A figure of the paper, as a picture."""
    return FIGURES / f"fig{number}.png"


def table(number: str) -> Path:
    """A table of the paper, as comma-separated values (beside it: .md and .tex)."""
    return TABLES / f"table{number}.csv"
