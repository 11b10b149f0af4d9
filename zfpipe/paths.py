"""Paths of all files that the pipeline writes, and of the parameter files, relative to the project's root."""

from pathlib import Path

PARAMS = Path("params.yaml")
PAPER = Path("paper.yaml")
"""The paper's parameter values."""

SETS = Path("sets")
"""Image sets that `zfpipe fetch` has downloaded."""

PICTURES = Path("data/pictures")
INDEX = PICTURES / "index.parquet"

OVERLAP = Path("data/overlap")
WATCHED = Path("data/watched")

WEIGHTS = Path("weights")
"""Weights of networks trained elsewhere; their owner puts them here."""

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
"""The strongest activations of the untrained network."""
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
"""Code that draws the embedded pictures. As the root of a set, it means the embedded pictures."""
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
"""Temporary files of a running stage, shared by all of its processes."""
RESUME = Path(".zfpipe/resume")
"""State of interrupted training runs: outside DVC, removed when a run completes."""


def beton(split: str) -> Path:
    """Return the path of a split's beton."""
    return BETONS / f"{split}.beton"


def sidecar(split: str) -> Path:
    """Return the path of a split's sidecar: checksum, counts and class names."""
    return BETONS / f"{split}.json"


def rejected(split: str) -> Path:
    """Return the path of the list of a split's unreadable images, with reasons."""
    return BETONS / f"{split}.rejected.csv"


def target(name: str) -> Path:
    """Return the folder of a target set: its index, its beton and, if embedded, its pictures."""
    return Path("data/targets") / name


def harvest(name: str) -> Path:
    """Return the path of the features of all images of a target set."""
    return Path("harvest") / f"{name}.parquet"


def overlap(name: str) -> Path:
    """Return the folder of the training images that also belong to another set: a list and, if any, a sheet."""
    return OVERLAP / name


def watched(what: str) -> Path:
    """Return the path of a digest of things that DVC does not track."""
    return WATCHED / what / "digest.json"


def pretrained(base: str) -> Path:
    """Return the folder with the start of training: start.json, and weights.safetensors if there is a source."""
    return PRETRAINED / base


def weights(run: str) -> Path:
    """Return the path of a run's trained weights."""
    return MODELS / run / "weights.safetensors"


def snapshots(run: str) -> Path:
    """Return the folder with a run's weights after some epochs, as EPOCH.safetensors."""
    return MODELS / run / "snapshots"


def history(run: str) -> Path:
    """Return the path of a run's loss and error, with a row for each epoch."""
    return MODELS / run / "history.csv"


def evaluation(run: str) -> Path:
    """Return the path of a run's ten-crop probabilities on the validation split."""
    return EVALUATIONS / f"{run}.parquet"


def metrics(run: str) -> Path:
    """Return the path of a run's errors, for `dvc metrics`."""
    return METRICS / f"{run}.json"


def figure(number: str) -> Path:
    """Return the path of a figure's picture."""
    return FIGURES / f"fig{number}.png"


def table(number: str) -> Path:
    """Return the path of a table as CSV; .md and .tex are beside it."""
    return TABLES / f"table{number}.csv"
