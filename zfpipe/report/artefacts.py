"""The sixteen figures and tables of the paper, and one beside them: what each shows, and how it is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Artefact:
    """A figure or table.

    `caption` says in our words what it shows, `found` what the paper says about it. `made_by` names the stages, last
    first, `printed` says which numbers the paper prints with it, `parameters` are the sections and fields of
    params.yaml that shape it, and `data` its files and what they are. `ours`: the paper does not have it.
    """

    kind: str
    number: int | str
    section: str
    title: str
    caption: str
    found: str
    made_by: tuple[str, ...]
    printed: str
    parameters: tuple[str, ...]
    data: dict[str, str]
    ours: bool = False

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"{self.kind.lower()}-{self.number}"

    @property
    def name(self) -> str:
        """`Figure 2`."""
        return f"{self.kind} {self.number}"


NETWORKS = ("runs", "training", "crops.size", "betons.resize")

FIG1 = Artefact(
    "Figure",
    1,
    "2.1",
    "A deconvnet layer attached to a convnet layer",
    "The principle, with the tensors of the trained network: the strongest activation of layer 2 over the validation "
    "images, on its way up (above) and down again (below). Of layer 1 the map is drawn that the most of it passes "
    "through; the projection comes from all of them. White is zero; red and blue are positive and negative. The frame "
    "is what the unit sees. Last, a few pools in numbers: a switch is the place of a pool's maximum.",
    "A deconvnet reverses the convnet layer by layer: it unpools with the switches recorded on the way up, rectifies, "
    "and filters with the transposed filters.",
    ("figure@1", "principle", "activations", "train@zfnet"),
    "The paper's figure is a drawing; it prints no numbers.",
    ("runs.zfnet", "deconvnet", "crops.size", "figures.percentile"),
    {
        "principle/steps.safetensors": "all tensors (safetensors)",
        "principle/steps.json": "maps and places (JSON)",
    },
)

FIG2 = Artefact(
    "Figure",
    2,
    "4",
    "What excites each feature map",
    "A random subset of the maps of every convolution layer. For each map, the validation images with its strongest "
    "activations, one activation per image, projected down to pixels by the deconvnet; beside them the patches "
    "that the units see. Each projection is scaled alone: zero is mid-grey, and the {percentile:g}th percentile of "
    "its absolute values is full contrast. Pale areas lie beyond the image's border; hatched tiles are dead and "
    "never fire.",
    "The projections of a map form a tight group while its patches vary more; higher layers are more "
    "invariant and more specific to a class, and they exaggerate what sets a class apart, such as eyes and noses.",
    ("figure@2", "projections", "activations", "train@zfnet"),
    "The paper prints no numbers with this figure.",
    ("runs.zfnet", "projections", "deconvnet", "figures.percentile", "crops.size"),
    {"projections/projections.parquet": "activations, images and boxes (Parquet)"},
)

FIG3 = Artefact(
    "Figure",
    3,
    "3",
    "The architecture of the network",
    "The network under the microscope, layer by layer. The sizes were read off the built network while an image went "
    "through it, so the figure is right for any parameters.",
    "Eight layers: five of convolutions, two fully connected and a softmax; max pooling after layers 1, 2 and 5, "
    "contrast normalisation after the first two of them.",
    ("figure@3", "shapes"),
    "Published, for 224 × 224 pixels: 96, 256, 384, 384 and 256 maps of 110, 26, 13, 13 and 13 pixels a side, then "
    "4,096 and 4,096 units and 1,000 classes.",
    ("runs.zfnet", "crops.size"),
    {"shapes/zfnet.json": "the layers (JSON)"},
)

FIG4 = Artefact(
    "Figure",
    4,
    "4",
    "How features evolve through training",
    "A random subset of every layer's maps, after some epochs of training: each map's strongest activation over the "
    "whole training set at that time, projected to pixels. Contrast as in Figure 2. An orange bar marks where another "
    "image than at the snapshot before excites the map most; hatched tiles are dead. A map counts as settled from the "
    "snapshot on from which its maxima over up to 2,000 training images correlate at least 0.9 with those it ends "
    "with.",
    "Low layers converge within a few epochs, high layers only after many (40 to 50).",
    ("figure@4", "evolution", "train@zfnet"),
    "Published: epochs 1, 2, 5, 10, 20, 30, 40 and 64 of 70; the paper prints no other numbers.",
    ("runs.zfnet", "evolution", "deconvnet", "training", "figures.percentile"),
    {
        "evolution/evolution.parquet": "every map after every snapshot (Parquet)",
        "evolution/settled.csv": "the epoch from which each map is settled (CSV)",
    },
)

FIG5 = Artefact(
    "Figure",
    5,
    "4",
    "Invariance to translation, scale and rotation",
    "Above, a few images moved up and down, enlarged and turned: how far their features go from the untransformed "
    "ones (Euclidean distance) in layer 1 and in the highest hidden layer, and the probability of the true class. The "
    "whole image is transformed before the crop is cut; what lies beyond it is filled by the border rule. Below, the "
    "same over many images, as medians with quartiles; a distance of 1 is the median one between two different images.",
    "Small transformations change layer 1 a lot and layer 7 much less, there almost linearly for translation and "
    "scaling. The output is stable to translation and scaling, but not to rotation, except for objects that look "
    "the same when turned.",
    ("figure@5", "invariance", "evaluate@zfnet, train@zfnet"),
    "The paper prints curves, without numbers: translations of up to 60 pixels, scales of up to 1.8, rotations of up "
    "to 350 degrees.",
    ("runs.zfnet", "invariance", "crops.size", "betons.resize"),
    {
        "invariance/invariance.parquet": "every image, transformation and layer (Parquet)",
        "invariance/summary.csv": "medians and quartiles (CSV)",
    },
)

FIG6 = Artefact(
    "Figure",
    6,
    "4.1",
    "Filters of layer 1, and what clipping, size and stride do to them",
    "All layer-1 filters of three networks, lettered as in the paper: (a) ours trained without clipping the filters' "
    "RMS, (b) the replication of AlexNet, (c) ours. One scale in each panel, so that a dominating filter shows as one: "
    "grey is zero and the panel's largest weight full contrast. Below, layer 2 of (d) AlexNet and (e) ours: each map's "
    "strongest activation over the validation images, projected to pixels. Low, middle and high frequencies part at "
    "1/8 and 1/4 of a cycle per pixel. Aliasing is the power of the layer-2 projections at the sampling frequency of "
    "layer 1's stride over the power beside it.",
    "Without clipping a few filters dominate. AlexNet's are a mix of very low and very high frequencies with little in "
    "the middle, and its layer 2 shows aliasing from the stride of 4; smaller filters and stride give more distinctive "
    "features, fewer dead ones, and a layer 2 without aliasing.",
    ("figure@6", "filters", "train@zfnet, train@zfnet-unclipped, train@alexnet"),
    "Published: filters of 7 × 7 at stride 2 (ours) against 11 × 11 at stride 4 (AlexNet), RMS clipped at 0.1; "
    "the paper prints no numbers for domination and dead filters.",
    ("runs.zfnet", "runs.zfnet-unclipped", "runs.alexnet", *NETWORKS[1:]),
    {"filters/filters.safetensors": "the filters (safetensors)", "filters/filters.json": "their statistics (JSON)"},
)

FIG7 = Artefact(
    "Figure",
    7,
    "4.2",
    "What hiding parts of an image changes",
    "A grey square goes over the image: (b) total activity of the last convolution layer's map with the strongest "
    "response, (c) that map's projection from this image and from others, (d) probability of the true class, and (e) "
    "the most probable class, each by the place of the square's centre. Below, and in the table, the same argument as "
    "numbers, over all validation images whose object is known: whether the output falls more with the square on the "
    "object than off it, whether it falls most there, and whether the map loses activity where its projection has "
    "energy.",
    "The probability of the true class falls when the object is hidden, so the network localises it. When the "
    "square covers what the projection shows, the map's activity falls, so projections show what excites a map.",
    ("figure@7", "occlusion", "evaluate@zfnet, activations, train@zfnet"),
    "The paper shows three images and prints no numbers; size, step and grey of its square are not stated.",
    ("runs.zfnet", "occlusion", "deconvnet", "crops.size", "figures.percentile"),
    {
        "occlusion/scores.csv": "the scores (CSV)",
        "occlusion/truth.csv": "image by image (CSV)",
        "occlusion/shown.parquet": "every place of the square (Parquet)",
    },
)

FIG7B = Artefact(
    "Figure",
    "7b",
    "4.2",
    "Where later methods say that the network looks",
    "The images of Figure 7 once more, as methods published since see them, through captum: gradient saliency, guided "
    "backpropagation, Grad-CAM and integrated gradients, beside occlusion and the deconvnet's strongest projection. "
    "All are measured alike: the sum of a map under the square at each of its places.",
    "",
    ("figure@7b", "attribution", "evaluate@zfnet, train@zfnet"),
    "",
    ("runs.zfnet", "attribution", "occlusion", "deconvnet", "crops.size", "figures.percentile"),
    {"attribution/scores.csv": "the scores (CSV)"},
    ours=True,
)

FIG8 = Artefact(
    "Figure",
    8,
    "4.3",
    "The images of the correspondence experiment",
    "Faces that look at us, each as it is and with its right eye, left eye, nose and random places of it hidden by a "
    "grey square of one size. Random places are centred on the object (where it is not known, anywhere) where no "
    "part's square lies. Table 1 has the numbers.",
    "Five dogs, each with the same parts and random places hidden.",
    ("figure@8", "correspondence", "train@zfnet"),
    "The paper prints no numbers with this figure.",
    ("runs.zfnet", "correspondence", "crops.size"),
    {"correspondence/images.json": "the images (JSON)"},
)


def tables(number: int) -> dict[str, str]:
    """A table's files."""
    return {
        f"reports/tables/table{number}.{suffix}": kind
        for suffix, kind in (("csv", "CSV"), ("md", "Markdown"), ("tex", "LaTeX"))
    }


TABLE1 = Artefact(
    "Table",
    1,
    "4.3",
    "Correspondence of object parts",
    "How alike the features of different faces change when the same part is hidden: the distance between the signs of "
    "the changes, over all pairs of faces.",
    "In layer 5 eyes and nose change the features more consistently than random places do; in layer 7, which tells "
    "breeds apart, the scores are closer.",
    ("table@1", "correspondence", "train@zfnet"),
    "All published numbers stand in the table.",
    ("runs.zfnet", "correspondence", "crops.size"),
    {
        **tables(1),
        "correspondence/consistency.csv": "all numbers (CSV)",
    },
)

TABLE2 = Artefact(
    "Table",
    2,
    "5.1",
    "Errors of single networks and of several together",
    "Each row of the paper, and beside it our run of the same network.",
    "The network of Fig. 3 beats the replication of AlexNet by 2.1 points top-1; several networks together beat one.",
    ("table@2", "evaluate@RUN", "train@RUN"),
    "All published numbers stand in the table.",
    (*NETWORKS, "evaluation"),
    tables(2),
)

TABLE3 = Artefact(
    "Table",
    3,
    "5.1",
    "What removing and resizing layers costs",
    "Layers taken out of AlexNet's architecture and ours, or made smaller and larger, each trained from scratch.",
    "Removing two layers costs little, removing four a lot: depth matters. The size of the fully connected "
    "layers matters little; wider middle layers help, and wider everything overfits.",
    ("table@3", "evaluate@RUN", "train@RUN"),
    "All published numbers stand in the table.",
    (*NETWORKS, "evaluation"),
    tables(3),
)

FIG9 = Artefact(
    "Figure",
    9,
    "5.2",
    "Accuracy against training images per class",
    "How many images of a new set it takes: features of the pretrained network with a new softmax, and the same "
    "network trained on the new set alone. Both sides have the same axes; the sets differ.",
    "With 6 training images per class the pretrained network beats the best accuracy that others reached with 60.",
    ("figure@9", "transfer@caltech256", "scratch@caltech256", "harvest@caltech256, train@zfnet"),
    "All published numbers stand in the figure; between them the paper draws a curve, without numbers.",
    ("runs.zfnet", "targets.caltech256", "transfer", "crops.size"),
    {"transfer/caltech256/accuracy.csv": "pretrained (CSV)", "transfer/caltech256/scratch.csv": "from scratch (CSV)"},
)

TABLE4 = Artefact(
    "Table",
    4,
    "5.2",
    "Transfer to Caltech-101",
    "A new softmax on the features of the pretrained network, beside the same network trained on the new set alone.",
    "The pretrained network beats the best published accuracy by 2.2 points; from scratch it does terribly.",
    ("table@4", "transfer@caltech101", "scratch@caltech101", "harvest@caltech101, train@zfnet"),
    "All published numbers stand in the table.",
    ("runs.zfnet", "targets.caltech101", "transfer", "crops.size"),
    {
        **tables(4),
        "transfer/caltech101/accuracy.csv": "every fold (CSV)",
        "transfer/caltech101/scratch.csv": "every fold from scratch (CSV)",
    },
)

TABLE5 = Artefact(
    "Table",
    5,
    "5.2",
    "Transfer to Caltech-256",
    "The same for a second, larger set.",
    "The pretrained network beats the best published accuracy by 19 points (74.2% against 55.2% with 60 images).",
    ("table@5", "transfer@caltech256", "scratch@caltech256", "harvest@caltech256, train@zfnet"),
    "All published numbers stand in the table.",
    ("runs.zfnet", "targets.caltech256", "transfer", "crops.size"),
    {
        **tables(5),
        "transfer/caltech256/accuracy.csv": "every fold (CSV)",
        "transfer/caltech256/scratch.csv": "every fold from scratch (CSV)",
    },
)

TABLE6 = Artefact(
    "Table",
    6,
    "5.2",
    "Transfer to PASCAL VOC 2012",
    "Scenes with several objects: average precision of a new softmax on the pretrained network's features, class by "
    "class.",
    "Images of single objects and scenes differ, yet the mean is within 3.2 points of the best published, and five "
    "classes are better.",
    ("table@6", "transfer@voc2012", "harvest@voc2012, train@zfnet"),
    "All published numbers stand in the table.",
    ("runs.zfnet", "targets.voc2012", "transfer", "crops.size"),
    {**tables(6), "transfer/voc2012/precision.csv": "every class (CSV)"},
)

TABLE7 = Artefact(
    "Table",
    7,
    "5.3",
    "How well each layer's features classify",
    "Linear classifiers on the features of each layer of the pretrained network: what the layers have learnt to tell "
    "apart.",
    "The deeper the layer, the better its features classify.",
    ("table@7", "transfer@caltech101, transfer@caltech256", "harvest@caltech101, harvest@caltech256"),
    "All published numbers stand in the table.",
    ("runs.zfnet", "targets", "transfer", "crops.size"),
    {
        **tables(7),
        "transfer/caltech101/accuracy.csv": "every fold, first column (CSV)",
        "transfer/caltech256/accuracy.csv": "every fold, second column (CSV)",
    },
)

ARTEFACTS = (
    FIG1,
    FIG2,
    FIG3,
    FIG4,
    FIG5,
    FIG6,
    FIG7,
    FIG8,
    FIG9,
    TABLE1,
    TABLE2,
    TABLE3,
    TABLE4,
    TABLE5,
    TABLE6,
    TABLE7,
)
