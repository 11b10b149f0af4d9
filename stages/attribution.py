"""attribution: later methods that say where the network looks, against the truth (beside Fig. 7; not in the paper).

Reads zfnet's weights, its evaluation, the validation beton and the index's masks and boxes; writes attribution/:
scores.csv, and of the images of Fig. 7 shown.safetensors and shown.json. Costs half a minute on two cores with the
default parameters.
"""

import json
import warnings

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.betons.truth import Truth
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.evaluation import predictions as evaluated
from zfpipe.probes import attribution, occlusion, projections, sample

BATCH = 64


def main() -> None:
    warnings.filterwarnings("ignore", "Setting .* hooks on ReLU")  # captum takes them off again
    settings = params.load()
    chosen, crop = settings.occlusion, settings.crops.size
    predictions = evaluated.read(paths.evaluation("zfnet"))
    known = Truth(paths.INDEX, "val", settings.betons.resize, crop)
    objects, shown = sample.to_hide(predictions, known, chosen)
    wanted = objects[: settings.attribution.images]
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes = batches.classes
        crops = projections.gather(batches, {*shown, *wanted})
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    fill, grid = inputs.grey(chosen.grey), occlusion.Grid.scaled(chosen.size, chosen.stride, crop)
    fine = occlusion.Grid.scaled(chosen.size, chosen.shown_stride, crop)
    methods = attribution.methods(network, fill)
    rows, drawn = [], {}
    for image in dict.fromkeys([*shown, *wanted]):
        batch = crops.batch([image])
        pixels, label = inputs(batch)[0], int(batch.labels[0])
        hidden = occlusion.hide(network, pixels, fill, label, grid)
        seen = {"deconvnet": occlusion.energy(network, pixels, hidden, settings.deconvnet)}
        seen |= {name: method(pixels, label) for name, method in methods.items()}
        if image in shown:
            drop = occlusion.hide(network, pixels, fill, label, fine).drop.reshape(len(fine.centres), -1)
            drawn[image] = {"drop": drop, "maps": np.stack(list(seen.values()))}
        on = grid.on(known.mask(image))
        if image not in wanted or on.all() or not on.any():
            continue
        places = {"occlusion": hidden.drop} | {name: grid.under(values) for name, values in seen.items()}
        rows += [{"id": image, "method": name, **occlusion.pointing(values, on)} for name, values in places.items()]
    images = pd.DataFrame(rows, columns=["id", "method", *occlusion.SCORES["hit"], *occlusion.SCORES["overlap"]])
    scores = [occlusion.scores(part).assign(method=name) for name, part in images.groupby("method", sort=False)]
    table = pd.concat(scores) if scores else occlusion.scores(images).assign(method="")
    with stage.whole(paths.ATTRIBUTION / "scores.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    pictures = crops.batch(shown)
    arrays = {
        "images": pictures.images.numpy(),
        "masks": np.stack([known.mask(image) for image in shown]).astype(np.uint8),
        **{name: np.stack([drawn[image][name] for image in shown]).astype(np.float32) for name in ("drop", "maps")},
    }
    with stage.whole(paths.ATTRIBUTION / "shown.safetensors") as temporary:
        save_file(arrays, temporary)
    names = [classes[label] for label in pictures.labels.tolist()]
    with stage.whole(paths.ATTRIBUTION / "shown.json") as temporary:
        temporary.write_text(json.dumps({"classes": names, "methods": ["deconvnet", *methods]}, indent=2) + "\n")


if __name__ == "__main__":
    stage.run(main)
