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


def main() -> None:
    settings = params.load()
    chosen, crop = settings.correspondence, settings.crops.size
    known = Truth(paths.INDEX, "val", settings.betons.resize, crop)
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes = batches.classes
        parts = {image: known.parts(image) for image in sorted(batches.ids.tolist())}
        faces = {image: found for image, found in parts.items() if correspondence.frontal(found)}
        reason = None
        if len(faces) < 2:
            reason = (
                "it takes two validation images or more with boxes of right eye, left eye and nose, looking at us; "
                "pictures.parts names a file with such boxes (docs/data.md)"
            )
        if unavailable.settle(paths.CORRESPONDENCE, reason):
            return
        crops = projections.gather(batches, set(faces))
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    everywhere = np.ones((crop, crop), bool)
    objects = {image: everywhere if (mask := known.object(image)) is None else mask for image in faces}
    signs, shown = correspondence.measure(network, inputs, crops, faces, objects, chosen)
    described = [{"id": one.image, "class": classes[one.label], "size": one.size} for one in shown]
    pairs = correspondence.pairs(signs)
    with stage.whole(paths.CORRESPONDENCE / "consistency.csv") as temporary:
        correspondence.table(signs, pairs, chosen.images).to_csv(temporary, index=False, float_format="%.6g")
    with stage.whole(paths.CORRESPONDENCE / "pairs.parquet") as temporary:
        pairs.to_parquet(temporary, index=False)
    with stage.whole(paths.CORRESPONDENCE / "images.json") as temporary:
        temporary.write_text(json.dumps({"images": described, "random": chosen.random}, indent=2) + "\n")
    with stage.whole(paths.CORRESPONDENCE / "images.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.stack([one.pictures for one in shown]))


if __name__ == "__main__":
    stage.run(main)
