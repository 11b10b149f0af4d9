"""correspondence: whether hiding the same part of several faces changes their features alike (Fig. 8, Table 1).

Section 4.3. Reads zfnet's weights, the validation beton and the index's boxes of parts; writes correspondence/:
consistency.csv, pairs.parquet (every two faces), images.json and images.npy (image, mask, y, x, 3: the first unmasked),
or why there are none. Costs ten seconds on two cores with the default parameters.
"""

import json

import numpy as np

from zfpipe import params, paths, stage, unavailable
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.betons.truth import Truth
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.probes import correspondence, projections

BATCH = 64
EXAMPLES = 3
"""Random masks that are shown of each image."""


def main() -> None:
    settings = params.load()
    chosen, crop = settings.correspondence, settings.crops.size
    known = Truth(paths.INDEX, "val", settings.betons.resize, crop)
    faces = {image: parts for image in sorted(known.rows) if correspondence.frontal(parts := known.parts(image))}
    reason = None
    if len(faces) < 2:
        reason = (
            "it takes two validation images or more with boxes of right eye, left eye and nose, looking at us; "
            "pictures.parts names a file with such boxes (docs/data.md)"
        )
    if unavailable.settle(paths.CORRESPONDENCE, reason):
        return
    rng = np.random.default_rng(chosen.seed)
    order = rng.permutation(list(faces)).tolist()
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes = batches.classes
        crops = projections.gather(batches, set(faces))
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    fill = inputs.grey(chosen.grey)
    signs: dict[str, dict[int, list[np.ndarray]]] = {}
    shown, described = [], []
    for image in order:
        batch = crops.batch([image])
        mask = known.object(image)
        assert mask is not None, "a face with parts has an object"
        corners = correspondence.places(faces[image], mask, chosen.random, rng)
        size = correspondence.side(faces[image])
        for part, several in corners.items():
            masked = correspondence.hidden(inputs(batch)[0], fill, several, size)
            for layer, found in correspondence.changes(network, inputs(batch)[0], masked).items():
                signs.setdefault(part, {}).setdefault(layer, []).append(found)
        if len(shown) < chosen.images:
            examples = [several[0] for part, several in corners.items() if part != "random"] + corners["random"][
                :EXAMPLES
            ]
            shown.append(correspondence.painted(batch.images[0].numpy(), examples, size, chosen.grey))
            described.append({"id": image, "class": classes[int(batch.labels[0])], "size": size})
    stacked = {part: {layer: np.stack(several) for layer, several in layers.items()} for part, layers in signs.items()}
    pairs = correspondence.pairs(stacked)
    with stage.whole(paths.CORRESPONDENCE / "consistency.csv") as temporary:
        correspondence.table(stacked, pairs, chosen.images).to_csv(temporary, index=False, float_format="%.6g")
    with stage.whole(paths.CORRESPONDENCE / "pairs.parquet") as temporary:
        pairs.to_parquet(temporary, index=False)
    with stage.whole(paths.CORRESPONDENCE / "images.json") as temporary:
        temporary.write_text(json.dumps({"images": described, "random": chosen.random}, indent=2) + "\n")
    with stage.whole(paths.CORRESPONDENCE / "images.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.stack(shown))


if __name__ == "__main__":
    stage.run(main)
