"""The choices behind the numbers, section by section, each in a sentence or two; `methods` fills in the values.

`{section.field}` stands for a parameter's value, `{section.field!}` names a parameter that the sentence is about. What
no parameter holds is fixed in the code and said in words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Value = Callable[[str], Any]
"""A parameter's value by its whole name."""


@dataclass(frozen=True)
class Choice:
    """What was done, in Markdown's plainest marks (`code`).

    `paper` says how it stands to the paper where its parameters alone don't tell: done as there, or otherwise.
    """

    words: str
    paper: Literal["as there", "otherwise"] | None = None


def images(value: Value) -> Iterator[Choice]:
    """Section 3: from pictures to the ten crops."""
    if value("pictures.source") == "generated":
        yield Choice(
            "The pictures are drawn ({pictures.source!}{pictures.root!}): {pictures.train} to train on and "
            "{pictures.val} to validate on, from seed {pictures.seed}."
        )
    else:
        yield Choice(
            "The images are a set as it is downloaded of the kind {pictures.source}, from a folder named "
            "`{pictures.root}`, read in place. Where the set has no split of its own, a share of "
            "{pictures.val_share} of each class is for validation, drawn from seed {pictures.seed}; where it has a "
            "class of clutter, that is "
            + ("used" if value("pictures.clutter") else "left out")
            + " ({pictures.clutter!})."
        )
        if value("pictures.classes") or value("pictures.per_class"):
            yield Choice(
                "Of these, the first classes by label (`classes: {pictures.classes}`) and the first training images "
                "of each by name (`per_class: {pictures.per_class}`) are used; null stands for all.",
                "otherwise",
            )
    if value("pictures.parts"):
        yield Choice("Boxes of parts, for Table 1, come from the user's file `{pictures.parts}`.")
    if value("overlap.sets"):
        names = ", ".join(value("overlap.sets"))
        yield Choice(
            f"Training images that stand in another set too ({names}; {{overlap.sets!}}) are "
            + ("left out" if value("overlap.exclude") else "listed, and trained on all the same")
            + " ({overlap.exclude!}): an image counts as the same when the grey pictures of both centre squares, "
            "{overlap.side} pixels a side, correlate at least {overlap.threshold}. Mirrored copies don't count."
        )
    else:
        yield Choice("No other set was looked through for copies of training images ({overlap.sets!}).", "otherwise")
    yield Choice(
        "The shortest side is resized to {betons.resize} pixels (bilinear with antialiasing, torchvision's default), "
        "and the centre square is cut."
    )
    stored = "as exact pixels" if value("betons.write_mode") == "raw" else "as JPEGs of quality {betons.jpeg_quality}"
    yield Choice(
        "The squares are stored for FFCV "
        + stored
        + " ({betons.write_mode!}), in a random order of seed {betons.seed}. "
        "An image that can't be read is left out and listed; above a share of {betons.max_rejected} of them the run "
        "stops."
    )
    yield Choice(
        "Ten crops of {crops.size} pixels a side: the corners and the centre, and the same five flipped. Training "
        "shows each image in one of its ten crops per epoch, chosen by a hash of seed, epoch and place, the same for "
        "any number of loader workers."
    )
    yield Choice(
        "The mean is taken pixel by pixel over the whole squares of the training images; a crop is met by the same "
        "crop of the mean, flipped alike.",
        "as there",
    )


def network(value: Value) -> Iterator[Choice]:
    """Section 3 and Fig. 3: the layers and how they start."""
    if value("model.source"):
        yield Choice(
            "The network under the microscope is another library's: `{model.source}` with the weights in "
            "`{model.weights}`; its input has {model.input_mean} subtracted and is divided by {model.input_std}. "
            "Only a new softmax is trained on it, from N(0, {model.init.std}); the layers of `model` stand idle.",
            "otherwise",
        )
    else:
        yield Choice(
            "The network of Fig. 3: {model.maps} maps in layers 1 to 5; layer 1 has filters of {model.filter_size} "
            "pixels at a stride of {model.stride}; layer 2 of {model.conv2.filter_size} at {model.conv2.stride}, "
            "layers 3 to 5 of 3 at 1; layers 6 and 7 have {model.fc} units. All maps and units times a width of "
            "{model.width}."
        )
        yield Choice(
            "Layer 1 has padding {model.padding}, layer 2 {model.conv2.padding}, and pooling rounds its size up: "
            "only with 1, 0 and rounding up do 224 pixels give 110 and 55."
        )
        if value("model.drop"):
            yield Choice("Layers left out of the network under the microscope: {model.drop}.")
    if value("alexnet.filter_size") is not None:
        yield Choice(
            "AlexNet, as the paper replicates it: {alexnet.maps} maps; layer 1 has filters of {alexnet.filter_size} "
            "pixels at a stride of {alexnet.stride} and padding of {alexnet.padding}, layer 2 of "
            "{alexnet.conv2.filter_size} at {alexnet.conv2.stride} and {alexnet.conv2.padding}; {alexnet.fc} units; "
            "width {alexnet.width}; layers left out: {alexnet.drop}. Layers 3 to 5 are connected densely, not split "
            "over two GPUs."
        )
    if not value("model.source"):
        yield from start(value, "model")
    if value("alexnet.filter_size") is not None and (
        value("model.source") or any(value(f"alexnet.{name}") != value(f"model.{name}") for name in ALIKE)
    ):
        yield from start(value, "alexnet")
    yield Choice(
        "A row of Table 3 leaves everything else alone: layer 5's pooling stays when layers 3 and 4 go. Each run's "
        "base, changes and seed stand under All networks ({runs!})."
    )


ALIKE = ("norm", "init", "input_scale", "renorm_radius", "dropout")
"""What both networks share unless params.yaml says otherwise."""


def start(value: Value, base: str) -> Iterator[Choice]:
    """Normalisation, first weights, clipping and dropout of `model` or `alexnet`."""
    same = base == "model" and all(value(f"alexnet.{name}") == value(f"model.{name}") for name in ALIKE)
    who = "Both networks" if same else "The network of Fig. 3" if base == "model" else "AlexNet"

    def choice(words: str, field: str, paper: Literal["otherwise"] | None = None) -> Choice:
        """A choice about `BASE.field`; what both share is said once and names both."""
        also = f"{{alexnet.{field}!}}" if same else ""
        return Choice(f"{who}: {words}".replace("{.", f"{{{base}.") + also, paper)

    yield choice(
        "local response normalisation after the pooling of layers 1 and 2, over {.norm.size} maps, with k {.norm.k}, "
        "alpha {.norm.alpha} divided by that number of maps, and beta {.norm.beta} (Krizhevsky et al., 2012).",
        "norm",
    )
    spread = {
        "gaussian": "weights start from N(0, {.init.std}) in every layer ({.init.scheme!})",
        "he": "weights below the softmax start from N(0, 2 / fan-in), those of the softmax from N(0, {.init.std}) "
        "({.init.scheme!}). The paper starts all from N(0, 0.01), from which a narrow network does not learn",
    }
    first = (
        " Those of layer 1 start at {.init.first} of their spread, so that after a few epochs its filters show what "
        "they have learned, not the noise that they started from."
    )
    words = spread[value(f"{base}.init.scheme")] + "." + ("" if value(f"{base}.init.first") == 1 else first)
    yield choice(f"{words} Biases start at 0.", "init")
    scaled = (
        "; unscaled ones, of -128 to 128, make the first steps diverge from such weights. Layer 1's first weights are "
        "divided by what is left of the pixels' spread."
    )
    scale = "." if value(f"{base}.input_scale") == 1 else scaled
    yield choice("pixels minus their mean are multiplied by {.input_scale}" + scale, "input_scale")
    radius = value(f"{base}.renorm_radius")
    if radius is None:
        yield choice("filters are not clipped ({.renorm_radius!}).", "renorm_radius", "otherwise")
    else:
        small = " Filters that start from scaled pixels stay below the paper's." if radius < 0.1 else ""
        yield choice(
            "after each step a convolution filter whose root mean square over its weights exceeds {.renorm_radius} "
            "is scaled "
            "back to it." + small,
            "renorm_radius",
        )
    slow = (
        ""
        if value(f"{base}.dropout") == 0.5
        else "; with the paper's, small networks take several times as long to learn"
    )
    yield choice("dropout of {.dropout} on layers 6 and 7" + slow + ".", "dropout")


def training(value: Value) -> Iterator[Choice]:
    """Section 3: gradient descent."""
    yield Choice(
        "Stochastic gradient descent for {training.epochs} epochs in batches of {training.batch}, with a learning "
        "rate of {training.learning_rate} to begin with and momentum {training.momentum}."
    )
    yield Choice(
        "The learning rate is divided by {training.anneal} after {training.patience} epochs without a new best "
        "validation error on the centre crop. The paper does it by hand.",
        "otherwise",
    )
    yield Choice("Weight decay of {training.weight_decay} on weights, none on biases (Krizhevsky et al., 2012).")
    yield Choice("Numbers are computed as {training.precision} in training.")
    if not value("model.source"):
        yield Choice("Fig. 4 follows the network of Fig. 3 after epochs {runs.zfnet.snapshots}.")


def evaluation(value: Value) -> Iterator[Choice]:
    """Section 5.1: errors."""
    yield Choice("Errors are of the mean of the ten crops' softmax; a tie for the k-th place counts as an error.")
    count = value("evaluation.train_images")
    yield Choice(
        "The training error is measured the same way on "
        + ("all" if count is None else "the first {evaluation.train_images}")
        + " training images of the stored order ({evaluation.train_images!})."
    )
    yield Choice("Several networks together: the mean of their probabilities, each over ten crops ({ensembles!}).")
    yield Choice(
        "Runs that differ in the seed alone give a mean and a 95 % interval by Student's t. Where rows are compared, "
        "every network is taken to scatter as those seeds do; what several networks together gain is measured image by "
        "image."
    )


def deconvnet(value: Value) -> Iterator[Choice]:
    """Section 2.1: the way down."""
    yield Choice(
        "A unit's activation is that of the rectified map, before pooling. For a map's strongest unit that is the "
        "same as starting from the pooled map: the pool keeps the maximum, and its switch leads back to that place."
    )
    kept = (
        "the last one is kept"
        if value("deconvnet.unpooling") == "overwrite"
        else "both are added, as the transpose does"
    )
    yield Choice(f"Where two pool windows share a switch, {kept} ({{deconvnet.unpooling!}}).")
    down = "skipped on the way down" if value("deconvnet.norm") == "skip" else "gone through by its gradient"
    yield Choice(f"The normalisation is {down} ({{deconvnet.norm!}}): the paper lists only unpool, rectify and filter.")
    yield Choice(
        "No biases on the way down; the last step, to pixels, is a filter without a ReLU. Patches and projections "
        "are cut to the exact receptive field, and only that is computed, which gives the same numbers."
    )
    yield Choice(
        "Fig. 2 draws {projections.maps} maps of each layer, at random from seed {projections.seed}, each with its "
        "strongest {projections.strongest} activations, from different images on their centre crops."
    )
    yield Choice(
        "Every projection is scaled alone: zero is mid-grey, and the {figures.percentile}th percentile of its "
        "absolute values is full contrast."
    )


def features(_: Value) -> Iterator[Choice]:
    """Sections 4 and 4.1: Figs. 4 and 6, and the features in numbers."""
    yield Choice(
        "Fig. 4 draws {evolution.maps} maps of each layer, at random from seed {evolution.seed}: the strongest "
        "activation over the whole training set after each snapshot, on centre crops. A map is settled from the "
        "snapshot on from which its maxima over up to 2,000 training images correlate at least 0.9 with its last ones."
    )
    yield Choice(
        "Fig. 6: frequencies are distances from zero in the spectrum of a filter padded to 32 x 32, all filters "
        "counting the same: low below 1/8 of a cycle per pixel, middle below 1/4. Aliasing: in the layer-2 "
        "projections, windowed (Hann), power at multiples of 1 / stride per pixel over the geometric mean of what "
        "lies beside."
    )
    yield Choice(
        "Alike: the correlation of two windows over the pixels, all three colours, that lie inside both images; the "
        "mean over all pairs of a map's strongest projections, over the same pairs of patches, and over all pairs "
        "with the next drawn map's. Same class: the share of the most frequent class among a map's strongest images. "
        "Only images on which the map fires count."
    )
    yield Choice(
        "Their intervals: 95 %, percentile bootstrap over a layer's maps, 2,000 resamples. The epoch at which maps "
        "settle is a median; a map that never does counts as later than any."
    )


def invariance(value: Value) -> Iterator[Choice]:
    """Section 4, Fig. 5."""
    beyond = {"reflect": "mirrored", "replicate": "repeated from the last pixels"}[value("invariance.border")]
    yield Choice(
        "The whole resized image is moved, enlarged or turned around the crop's centre (bilinear, OpenCV), then the "
        "centre "
        f"crop is cut, so that what lies around it comes in; beyond the image it is {beyond} ({{invariance.border!}})."
    )
    yield Choice(
        "Translations to {invariance.translation} of 224 pixels up and down in steps of "
        "{invariance.translation_step}, of a smaller crop in proportion and in whole pixels; scales to "
        "{invariance.scale} in steps of {invariance.scale_step}; rotations to {invariance.rotation} degrees in steps "
        "of {invariance.rotation_step}."
    )
    yield Choice(
        "Over {invariance.images} validation images, at random from seed {invariance.seed}; the {invariance.shown} "
        "drawn are the first of different classes that the network gets right. Features of layer 1 are what it hands "
        "on, after pooling and normalisation; of layer 7 after the ReLU. Distances over many images are in units of "
        "the median distance between two different ones."
    )


def occlusion(value: Value) -> Iterator[Choice]:
    """Section 4.2, Fig. 7."""
    yield Choice(
        "The square has {occlusion.size} of 224 pixels a side, of a smaller crop in proportion, and goes every "
        "{occlusion.stride} of 224 pixels (every {occlusion.shown_stride} where drawn); its grey is {occlusion.grey} "
        "of 255, before the mean is subtracted. At the border it hangs over. Only what it changes is computed anew, "
        "which gives the same numbers."
    )
    count = value("occlusion.images")
    yield Choice(
        ("All" if count is None else "At most {occlusion.images}")
        + " validation images whose object is known, in an order of seed {occlusion.seed} ({occlusion.images!}); the "
        "{occlusion.shown} drawn are the first of different classes that the network gets right."
    )
    yield Choice(
        "The map of (b) and (c) is that of the last convolution layer with the largest activation in the unoccluded "
        "image; its activity is summed over the rectified map."
    )
    yield Choice(
        "On the object: the square's centre lies on it. Largest fall: whether that lies on the object (a share where "
        "several are equal), against the object's share of all places. Overlap: as many of the places with the "
        "largest falls as lie on the object, intersection over union, against its mean for places drawn at random. "
        "Agreement: the correlation over places between the fall of the map's activity and the energy of its "
        "projection under the square. Intervals: 95 %, bootstrap over images of the paired differences. The object's "
        "mask is of what can be seen of it."
    )
    yield Choice(
        "Fig. 7b, not in the paper: saliency, guided backpropagation, Grad-CAM (last convolution layer) and "
        "integrated gradients (from the grey image) by captum, for the true class's logit, on {attribution.images} "
        "images, each as the sum under the same square at the same places."
    )


def correspondence(_: Value) -> Iterator[Choice]:
    """Section 4.3: Fig. 8 and Table 1."""
    yield Choice(
        "{correspondence.images} faces that look at us, at random from seed {correspondence.seed}, and beside them "
        "all there are: both eyes and the nose known and inside the crop, the eyes level within 15 degrees, the nose "
        "below them and within 0.3 of their distance from the middle."
    )
    yield Choice(
        "One size of square for a face: the longest side of its parts' boxes, of grey {correspondence.grey}. "
        "{correspondence.random} random squares for each face, centred on the object (where it "
        "is not known, anywhere) where no part's square lies, compared one by one and averaged."
    )
    yield Choice(
        "Features are the outputs of layers 5 and 7. The sign of no change is 0, a third value; so is that of a "
        "change below 1e-5 of the layer's largest feature, which is rounding. Deviations are over pairs of faces, "
        "each pair once. Since a mask that changes few features makes all of them agree at 0, the distance among "
        "features that change in both images stands beside."
    )


def transfer(value: Value) -> Iterator[Choice]:
    """Sections 5.2 and 5.3: Tables 4 to 7 and Fig. 9."""
    for name in ("caltech101", "caltech256", "voc2012"):
        drawn = value(f"targets.{name}.drawn")
        where = (
            f"{{targets.{name}.pictures}} drawn pictures of classes that the networks never saw "
            f"({{targets.{name}.root!}})"
            if drawn
            else f"the set as it is downloaded, from a folder named `{{targets.{name}.root}}`"
        )
        counts = (
            f"; {{targets.{name}.per_class}} training images per class"
            if value(f"targets.{name}.per_class")
            else f"; its own split ({{targets.{name}.per_class!}})"
        )
        fewer = (
            f", and {{targets.{name}.fewer}} for Fig. 9"
            if value(f"targets.{name}.fewer")
            else f"{{targets.{name}.fewer!}}"
        )
        yield Choice(f"`{name}`: {where}{counts}{fewer}.", "otherwise" if drawn else None)
    yield Choice(
        "{transfer.folds} random choices of training images (folds), from seed {transfer.seed}; fewer images are a "
        "part of more, and all numbers of a fold are tested on the same images, at most {transfer.test} of each "
        "class. Accuracy is the mean over classes; ± is the standard deviation over folds."
    )
    yield Choice(
        "Features are of the centre crop, as the next layer sees them: convolution layers after pooling and "
        "normalisation, all places; of the fully connected ones the last hidden one, rectified. They are centred on "
        "the training images and scaled to a mean square length of 1."
    )
    yield Choice(
        "Classifiers are L2-regularised: scikit-learn's LogisticRegression (softmax, L-BFGS) and SVC (linear, hinge "
        "loss, one class against another, by votes and margins), on inner products of the images, which lose "
        "nothing. The penalty is chosen among 0.01 to 100 on a third of each class's training images, then all of "
        "them are trained on."
    )
    yield Choice(
        "From scratch: the same network from random weights, {transfer.scratch_epochs} epochs in batches of "
        "{transfer.scratch_batch} at a constant learning rate, on {transfer.scratch_folds} of the folds: there is "
        "nothing to validate on but the test images. It is tested on the centre crop, as the features are."
    )
    yield Choice(
        "Scenes (Table 6): an image with several classes is trained on once for each, with weights that add up to "
        "one; each class is scored by its probability. Average precision is VOC's since 2010. VOC's test labels were "
        "never released, so that ours is on its validation images.",
        "otherwise",
    )


def claims(value: Value) -> Iterator[Choice]:
    """How the ledger judges what the paper claims in words."""
    yield Choice(
        "A claim holds when the whole 95 % interval of its number lies on the claimed side of a limit, does not "
        "hold when all of it lies on the other side, and is undecided otherwise, or where one seed or fold gives "
        "no interval. One about several layers, parts or rows must hold for each."
    )
    yield Choice(
        "Limits stand in the code, the same for every run. A claim that something is larger or smaller has the "
        "limit 0 (1 for a ratio). What the paper calls small may be half as large again as its own largest "
        "example; what it calls large must be at least half of its own smallest. Changes of layers count in % of "
        "the unchanged network's error, so that they compare between easy pictures and hard ones. Where the paper "
        "prints no number: a filter dominates from twice the median, an output is stable when the true class keeps "
        "three quarters of its probability, nearly linear is an R² of 0.9."
    )
    yield Choice(
        "Intervals: percentile bootstrap over filters, maps, images or faces (pairs of faces or maps by drawing "
        "the faces or maps again), each network's own apart; Student's t over folds, which share images, so that "
        "these are rather too narrow, and over seeds. What seeds don't differ in, the validation images, has no "
        "part in the latter. A growth in % by the delta method."
    )
    yield Choice(
        "Two features of layer 1 are alike as far as their rectified answers correlate over all places of all "
        "validation images, in size. Several networks gain on the mean error of their members, image by image. "
        "Depth: what removing four layers costs beyond what removing either pair costs. Deeper is better: "
        "Spearman's rank correlation, which one weak layer can't decide as it could a slope."
    )
    yield Choice(
        "What others reached on Caltech-256 and PASCAL is compared with on those sets alone, not on drawn ones "
        "({targets.caltech256.root!}{targets.voc2012.root!})."
    )


SECTIONS: tuple[tuple[str, str, Callable[[Value], Iterator[Choice]]], ...] = (
    ("Images", "section 3", images),
    ("Network", "section 3, Fig. 3", network),
    ("Training", "section 3", training),
    ("Evaluation", "section 5.1, Tables 2 and 3", evaluation),
    ("Deconvnet and projections", "sections 2.1 and 4, Figs. 1 and 2", deconvnet),
    ("Evolution, filters and the features in numbers", "sections 4 and 4.1, Figs. 4 and 6", features),
    ("Invariance", "section 4, Fig. 5", invariance),
    ("Occlusion", "section 4.2, Fig. 7", occlusion),
    ("Correspondence", "section 4.3, Fig. 8 and Table 1", correspondence),
    ("Transfer", "sections 5.2 and 5.3, Tables 4 to 7 and Fig. 9", transfer),
    ("Claims", "all sections", claims),
)
"""What the choices are about, where the paper says it, and the choices."""
