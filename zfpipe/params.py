"""params.yaml as one frozen, validated tree. Each stage reads all of it and passes sections on."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from zfpipe import paths
from zfpipe.errors import UserError


def whole(low: int, high: int) -> BeforeValidator:
    """Return the validator of a whole number from `low` to `high`."""

    def check(value: Any) -> Any:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return BeforeValidator(check)


def number(low: float, high: float) -> BeforeValidator:
    """Return the validator of a number from `low` to `high`."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return BeforeValidator(check)


def numbers(low: int, high: int, count: int) -> BeforeValidator:
    """Return the validator of a list of `count` whole numbers from `low` to `high`."""

    def check(value: Any) -> Any:
        valid = isinstance(value, list | tuple) and len(value) == count
        if not valid or any(type(item) is not int or not low <= item <= high for item in value):
            raise ValueError(f"must be a list of {count} whole numbers from {low} to {high}")
        return tuple(value)

    return BeforeValidator(check)


def colours(value: Any) -> Any:
    """Check three numbers from 0 up, for red, green and blue."""
    valid = isinstance(value, list | tuple) and len(value) == 3
    if not valid or any(isinstance(item, bool) or not isinstance(item, int | float) or item < 0 for item in value):
        raise ValueError("must be a list of three numbers from 0 up, for red, green and blue")
    return tuple(value)


def spreads(value: Any) -> Any:
    """Check three positive numbers, for red, green and blue."""
    if 0 in colours(value):
        raise ValueError("must be a list of three positive numbers, for red, green and blue")
    return tuple(value)


def function(value: Any) -> Any:
    """Check the name of a function that builds a network, with its module."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(name.isidentifier() for part in parts for name in part.split(".")):
        raise ValueError("must be null or module:function, such as torchvision.models:vgg16")
    return value


def layers(value: Any) -> Any:
    """Check the layers that a row of Table 3 leaves out."""
    if not isinstance(value, list | tuple) or any(item not in (3, 4, 6, 7) for item in value):
        raise ValueError("must be a list of layers out of 3, 4, 6, 7")
    return tuple(sorted(set(value)))


def named(value: Any) -> Any:
    """Check names of a foreign network's layers."""
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) and one for one in value):
        raise ValueError(
            "must be null or a list of the network's names, such as [layer1, layer4]; zfpipe check lists them"
        )
    return tuple(value)


def epochs(value: Any) -> Any:
    """Check the epochs after which the weights are kept."""
    if not isinstance(value, list | tuple) or any(type(item) is not int or item < 1 for item in value):
        raise ValueError("must be a list of epochs, whole numbers from 1")
    return tuple(sorted(set(value)))


def shares(value: Any) -> Any:
    """Check rising shares of all epochs."""
    valid = isinstance(value, list | tuple) and all(type(item) in (int, float) and 0 < item <= 1 for item in value)
    if not valid or list(value) != sorted(value):
        raise ValueError("must be a list of shares of the epochs, rising, from above 0 to 1, such as [0.75, 0.9]")
    return tuple(value)


def text(value: Any) -> Any:
    """Check that the value is text and not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def root(value: Any) -> Any:
    """Check the folder of a set, which DVC must be able to read."""
    if text(value).startswith("~"):
        raise ValueError(f"must be a full path, such as {Path(value).expanduser()}: DVC does not read ~")
    return value


Root = Annotated[str, BeforeValidator(root)]
Seed = Annotated[int, whole(0, 2**31 - 1)]
Text = Annotated[str, BeforeValidator(text)]


class Section(BaseModel):
    """A section of params.yaml. Fields can't be changed after reading; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pictures(Section):
    """Where images come from (section 5.1)."""

    source: Literal[
        "generated", "folder", "imagenet", "tiny-imagenet", "imagenette", "caltech101", "caltech256", "voc2012"
    ]
    root: Root
    seed: Seed
    train: Annotated[int, whole(1, 10_000_000)]
    val: Annotated[int, whole(1, 10_000_000)]
    val_share: Annotated[float, number(0.01, 0.9)]
    clutter: bool
    parts: Text | None
    classes: Annotated[int, whole(2, 1_000_000)] | None
    per_class: Annotated[int, whole(1, 10_000_000)] | None
    order: Text | None

    @property
    def base(self) -> Path:
        """The folder that paths in the index start from: the set's own folder, or the folder of drawn pictures."""
        return paths.PICTURES if self.source == "generated" else Path(self.root)


Watched = Literal["pictures", "targets", "model"]
"""What DVC does not track: folders behind links, and the code that builds a network."""


def watched(value: Any) -> Any:
    """Check the names of what to watch."""
    if not isinstance(value, list | tuple) or any(item not in get_args(Watched) for item in value):
        raise ValueError(f"must be a list of some of {', '.join(get_args(Watched))}")
    return tuple(dict.fromkeys(value))


class OtherSet(Section):
    """Another set of images, to look for copies of its images among the training images."""

    source: Literal["folder", "imagenet", "tiny-imagenet", "imagenette", "caltech101", "caltech256", "voc2012"]
    root: Root


class Overlap(Section):
    """Training images that also belong to another set (section 5.2)."""

    sets: dict[str, OtherSet]
    side: Annotated[int, whole(4, 64)]
    threshold: Annotated[float, number(0.5, 1)]
    exclude: bool


class Betons(Section):
    """How images are resized and stored for FFCV (section 3)."""

    resize: Annotated[int, whole(16, 1024)]
    write_mode: Literal["raw", "jpg"]
    jpeg_quality: Annotated[int, whole(50, 100)]
    max_rejected: Annotated[float, number(0, 1)]
    seed: Seed


class Crops(Section):
    """The ten crops: corners and centre, each also flipped (section 3)."""

    size: Annotated[int, whole(16, 1024)]


class Filter(Section):
    """A convolution's filters: side, stride and padding in pixels of the input maps."""

    filter_size: Annotated[int, whole(1, 15)]
    stride: Annotated[int, whole(1, 4)]
    padding: Annotated[int, whole(0, 7)]


class Norm(Section):
    """Local response normalisation. `alpha` is as in torch, which divides it by `size`, for pixels that are not scaled.

    The normalisation stands before the pooling (`before_pool`, Krizhevsky et al. 2012) or after (Fig. 3).
    """

    before_pool: bool = False
    size: Annotated[int, whole(1, 63)]
    k: Annotated[float, number(0.001, 1000)]
    alpha: Annotated[float, number(0, 1000)]
    beta: Annotated[float, number(0, 10)]


class Init(Section):
    """How weights are initialised; biases are 0 (section 3)."""

    scheme: Literal["gaussian", "he"]
    std: Annotated[float, number(1e-6, 1)]
    first: Annotated[float, number(1e-6, 1)]


class Network(Filter):
    """A network like Fig. 3; `filter_size`, `stride` and `padding` belong to layer 1."""

    conv2: Filter
    maps: Annotated[tuple[int, ...], numbers(1, 8192, 5)]
    fc: Annotated[tuple[int, ...], numbers(1, 65536, 2)]
    drop: Annotated[tuple[int, ...], BeforeValidator(layers)]
    width: Annotated[float, number(0.01, 4)]
    input_scale: Annotated[float, number(1e-6, 1000)]
    dropout: Annotated[float, number(0, 0.99)]
    norm: Norm
    renorm_radius: Annotated[float, number(1e-6, 1000)] | None
    init: Init

    @property
    def origin(self) -> str | None:
        """The function that builds a network trained elsewhere; None for zfpipe's own networks."""
        return None

    @property
    def keeps_softmax(self) -> bool:
        """True if the network keeps its own softmax, so that nothing is trained."""
        return False


class Model(Network):
    """The network to look into: Fig. 3's, or another library's with its trained weights."""

    source: Annotated[str, BeforeValidator(function)] | None
    weights: Text | None
    layers: Annotated[tuple[str, ...], BeforeValidator(named)] | None
    softmax: Literal["new", "own"]
    input_mean: Annotated[tuple[float, ...], BeforeValidator(colours)]
    input_std: Annotated[tuple[float, ...], BeforeValidator(spreads)]

    @property
    def origin(self) -> str | None:
        """The function that builds a network trained elsewhere; None for zfpipe's own networks."""
        return self.source

    @property
    def keeps_softmax(self) -> bool:
        """True if the network keeps its own softmax, so that nothing is trained."""
        return self.source is not None and self.softmax == "own"

    @model_validator(mode="after")
    def check_weights(self) -> "Model":
        """Refuse a source without weights, or weights that DVC does not track."""
        folder = paths.WEIGHTS
        if self.source is not None and (self.weights is None or not inside(Path(self.weights), folder)):
            fail("model.weights", self.weights, f"must be a file in {folder}/, which DVC tracks; move it there")
        for parent in Path(self.weights or "").parents:
            if folder in parent.parents and parent.is_symlink():
                fail(
                    "model.weights",
                    self.weights,
                    f"{parent} is a link to a folder, which DVC does not follow; copy the folder",
                )
        return self


class Run(Section):
    """A row of Tables 2 and 3: a base section, the edits to it, and a seed."""

    base: Literal["model", "alexnet"]
    seed: Seed
    edit: dict[str, Any] = {}
    snapshots: Annotated[tuple[int, ...], BeforeValidator(epochs)] = ()


def alike(runs: Mapping[str, Run]) -> dict[str, list[str]]:
    """Return, for each run, the runs that differ at most in the seed, including the run itself."""
    return {
        run: [name for name, one in runs.items() if (one.base, one.edit) == (own.base, own.edit)]
        for run, own in runs.items()
    }


def members(value: Any) -> Any:
    """Check the runs whose probabilities are averaged."""
    if not isinstance(value, list | tuple) or len(set(map(str, value))) != len(value) or len(value) < 2:
        raise ValueError("must be a list of two or more different runs")
    return tuple(value)


def sizes(value: Any) -> Any:
    """Check numbers of training images for each class."""
    if not isinstance(value, list | tuple) or any(type(item) is not int or item < 2 for item in value):
        raise ValueError("must be a list of whole numbers from 2")
    return tuple(sorted(set(value)))


class Training(Section):
    """Stochastic gradient descent; the learning rate is divided at plateaus, or at fixed epochs (section 3)."""

    epochs: Annotated[int, whole(1, 10_000)]
    batch: Annotated[int, whole(1, 65536)]
    learning_rate: Annotated[float, number(1e-8, 10)]
    momentum: Annotated[float, number(0, 0.9999)]
    weight_decay: Annotated[float, number(0, 1)]
    anneal: Annotated[float, number(1, 1000)]
    patience: Annotated[float, number(0.01, 1)]
    anneal_at: Annotated[tuple[float, ...], BeforeValidator(shares)]
    precision: Literal["float32", "bfloat16"]


class Evaluation(Section):
    """Ten-crop errors (Tables 2 and 3)."""

    train_images: Annotated[int, whole(1, 10_000_000)] | None


class Deconvnet(Section):
    """Options of the deconvnet that the paper leaves open (section 2.1)."""

    unpooling: Literal["sum", "overwrite"]
    norm: Literal["skip", "gradient"]


class Projections(Section):
    """Which activations are projected to pixels (Fig. 2)."""

    maps: Annotated[int, whole(1, 8192)]
    strongest: Annotated[int, whole(1, 100)]
    seed: Seed


class Evolution(Section):
    """Which maps are followed through training (Fig. 4)."""

    maps: Annotated[int, whole(1, 8192)]
    seed: Seed


class Invariance(Section):
    """How images are moved, enlarged and turned (Fig. 5); lengths in pixels of a 224 x 224 crop."""

    images: Annotated[int, whole(2, 100_000)]
    shown: Annotated[int, whole(1, 10)]
    translation: Annotated[int, whole(1, 224)]
    translation_step: Annotated[int, whole(1, 224)]
    scale: Annotated[float, number(1.01, 10)]
    scale_step: Annotated[float, number(0.01, 1)]
    rotation: Annotated[int, whole(1, 359)]
    rotation_step: Annotated[int, whole(1, 359)]
    border: Literal["reflect", "replicate"]
    seed: Seed


class OcclusionProbe(Section):
    """How images are occluded, position by position (Fig. 7); lengths in pixels of a 224 x 224 crop."""

    size: Annotated[int, whole(1, 224)]
    stride: Annotated[int, whole(1, 224)]
    shown_stride: Annotated[int, whole(1, 224)]
    grey: Annotated[float, number(0, 255)]
    images: Annotated[int, whole(1, 10_000_000)] | None
    shown: Annotated[int, whole(1, 10)]
    seed: Seed


class Correspondence(Section):
    """How parts of faces are hidden (Fig. 8, Table 1)."""

    images: Annotated[int, whole(2, 10)]
    random: Annotated[int, whole(3, 1000)]
    grey: Annotated[float, number(0, 255)]
    seed: Seed


class Target(Section):
    """A set that features are transferred to (section 5.2)."""

    root: Root
    pictures: Annotated[int, whole(2, 1_000_000)]
    per_class: Annotated[tuple[int, ...], BeforeValidator(sizes)]
    fewer: Annotated[tuple[int, ...], BeforeValidator(sizes)]

    @property
    def embedded(self) -> bool:
        """True if zfpipe draws the set's pictures."""
        return Path(self.root) == paths.DRAWING


class Targets(Section):
    """The sets of section 5.2."""

    caltech101: Target
    caltech256: Target
    voc2012: Target

    @model_validator(mode="after")
    def check_numbers(self) -> "Targets":
        """Require numbers of training images for Caltech's sets; VOC has a fixed training set."""
        for name in ("caltech101", "caltech256"):
            if not getattr(self, name).per_class:
                fail(f"targets.{name}.per_class", "[]", "must be one or more whole numbers from 2")
        return self


TARGETS = tuple(Targets.model_fields)


class Transfer(Section):
    """How features are transferred (sections 5.2 and 5.3)."""

    folds: Annotated[int, whole(2, 100)]
    test: Annotated[int, whole(1, 10_000)]
    seed: Seed


class Figures(Section):
    """How figures are drawn."""

    percentile: Annotated[float, number(50, 100)]


PROBES = Path(__file__).parent / "probes"
"""A module in this folder can have a section of the module's name, described by the module's class `Settings`."""
MISSING = "is missing; add it, as in the project's own params.yaml"
Own = TypeVar("Own", bound=Section)


class Params(Section):
    """All of params.yaml. Probes' sections stay as they are written until `own` reads them."""

    model_config = ConfigDict(extra="allow")

    watch: Annotated[tuple[Watched, ...], BeforeValidator(watched)]
    pictures: Pictures
    overlap: Overlap
    betons: Betons
    crops: Crops
    model: Model
    alexnet: Network
    runs: dict[str, Run]
    ensembles: dict[str, Annotated[tuple[str, ...], BeforeValidator(members)]]
    training: Training
    evaluation: Evaluation
    deconvnet: Deconvnet
    projections: Projections
    evolution: Evolution
    invariance: Invariance
    occlusion: OcclusionProbe
    correspondence: Correspondence
    targets: Targets
    transfer: Transfer
    figures: Figures

    def own(self, kind: type[Own]) -> Own:
        """Return the section of the probe with the class `Settings` given. Raises UserError if not valid."""
        name, given = kind.__module__.rpartition(".")[2], self.model_extra or {}
        if name not in given:
            raise UserError(f"params.yaml: {name} {MISSING}")
        try:
            return kind.model_validate(given[name])
        except ValidationError as error:
            raise UserError(f"params.yaml: {explain(error, (name,), kind)}") from None

    def trained_elsewhere(self, run: str) -> bool:
        """Return True if a run's network was trained elsewhere, except perhaps for its softmax."""
        entry = self.runs[run]
        base: Network = getattr(self, entry.base)
        return entry.edit["source"] is not None if "source" in entry.edit else base.origin is not None

    @model_validator(mode="before")
    @classmethod
    def check_sections(cls, tree: Any) -> Any:
        """Refuse a section that is neither a field nor a probe's section.

        A valid file is checked without opening probes' files: a stage opens only files that dvc.yaml names as its deps.
        """
        for name in map(str, tree):
            if name not in cls.model_fields and not (name.isidentifier() and (PROBES / f"{name}.py").exists()):
                owners = [path.stem for path in PROBES.glob("*.py") if "\nclass Settings(" in path.read_text()]
                raise UserError(f"params.yaml: {unknown(name, known_fields(cls) | {*owners})}")
        return tree

    @model_validator(mode="after")
    def check_together(self) -> "Params":
        """Refuse crops larger than the images, invalid names of runs, and ensembles of unknown runs."""
        if self.crops.size > self.betons.resize:
            fail("crops.size", self.crops.size, f"must be at most betons.resize, {self.betons.resize}")
        if self.model.source is not None and "model" not in self.watch:
            fail(
                "watch",
                list(self.watch),
                f"must include model, or changes in the code of {self.model.source} go unnoticed",
            )
        for run in self.runs:
            if not run.replace("-", "").replace("_", "").isalnum() or not run.isascii():
                fail(f"runs.{run}", "the name", "must be letters, digits, - and _")
            if self.runs[run].edit.get("source") is not None:
                fail(f"runs.{run}.edit.source", self.runs[run].edit["source"], "must be null; set model.source instead")
        for name in self.overlap.sets:
            if not name.isidentifier():
                fail(f"overlap.sets.{name}", "the name", "must be letters, digits and _, a letter first")
        for ensemble, runs in self.ensembles.items():
            if ensemble in self.runs:
                fail(f"ensembles.{ensemble}", "the name", "must not be a run's")
            for run in runs:
                if run not in self.runs:
                    fail(f"ensembles.{ensemble}", run, f"must be runs: {', '.join(self.runs)}")
        return self


def inside(path: Path, folder: Path) -> bool:
    """Return True if a path, as written, leads into a folder."""
    return folder in path.parents and ".." not in path.parts


def fail(name: str, got: Any, allowed: str, assign: str = " = ") -> NoReturn:
    """Raise an error about a parameter, in one line."""
    raise UserError(f"params.yaml: {name}{assign}{got}; {allowed}")


def explain(error: ValidationError, prefix: tuple[str, ...] = (), kind: type[BaseModel] = Params) -> str:
    """Return the first mistake that validation found in a section of this kind: what, got, allowed, in one line."""
    errors = error.errors()
    # A misspelt name also counts as missing: report the spelling first
    first = next((entry for entry in errors if entry["type"] == "extra_forbidden"), errors[0])
    name = ".".join(str(part) for part in (*prefix, *first["loc"]))
    mistake, got, context = first["type"], first["input"], first.get("ctx", {})
    if mistake == "missing":
        return f"{name} {MISSING}"
    if mistake == "extra_forbidden":
        return unknown(name, known_fields(kind))
    if mistake == "literal_error":
        return f"{name} = {got}; must be {context['expected']}"
    if mistake == "value_error":
        return f"{name} = {got}; {context['error']}"
    return f"{name} = {got}; {first['msg']}"


def unknown(name: str, known: set[str]) -> str:
    """Return a message about an unknown parameter, with the known name that is most similar in its last part."""
    close = difflib.get_close_matches(name.rpartition(".")[2], sorted(known), n=1)
    return f"{name} is not a parameter" + (f"; did you mean {close[0]}?" if close else "")


def known_fields(kind: Any) -> set[str]:
    """Return the names of a section's fields and of nested sections' fields, for suggestions."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inside = (known_fields(field.annotation) for field in kind.model_fields.values())
        return {*kind.model_fields}.union(*inside)
    return set().union(*map(known_fields, get_args(kind)))


def load(path: Path = paths.PARAMS) -> Params:
    """Read and validate params.yaml.

    Raises UserError with one line: the parameter, its value, and the allowed values.
    """
    try:
        return parse(path.read_text(), str(path))
    except FileNotFoundError:
        raise UserError(f"{path} not found; run zfpipe from the project's root") from None


def parse(text: str, name: str) -> Params:
    """Validate the text of a parameter file; `name` is the file's name in error messages."""
    check_yaml(text, name)
    try:
        return Params.model_validate(YAML(typ="safe").load(text))
    except ValidationError as error:
        raise UserError(f"{name}: {explain(error)}") from None


def check_yaml(text: str, name: str) -> None:
    """Raise UserError if the text is not YAML with sections."""
    try:
        tree = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise UserError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{name} must hold sections such as `model:`")
