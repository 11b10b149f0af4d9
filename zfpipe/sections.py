"""The sections of params.yaml; a probe can have a section of its own in its module."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, model_validator

from zfpipe import paths
from zfpipe.values import (
    Root,
    Section,
    Seed,
    Text,
    colours,
    epochs,
    fail,
    function,
    inside,
    layers,
    named,
    number,
    numbers,
    shares,
    sizes,
    spreads,
    whole,
)


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
