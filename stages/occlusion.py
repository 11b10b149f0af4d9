"""occlusion: what hiding places of an image changes, and whether it tells where the object is (Fig. 7, section 4.2).

Reads zfnet's weights, its evaluation and strongest activations, the validation beton and the index's masks and boxes;
writes occlusion/: truth.csv (every image) and scores.csv; of the images to show shown.parquet (every position),
shown.json and shown.safetensors. Costs a minute on two cores with the default parameters.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save_file
from tqdm import tqdm

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batch, Batches
from zfpipe.betons.truth import Truth
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.evaluation import predictions as evaluated
from zfpipe.probes import occlusion, projections, sample

BATCH = 64
OTHERS = 3
"""Other images whose projections of the same map are shown."""


def main() -> None:
    settings = params.load()
    chosen, crop = settings.occlusion, settings.crops.size
    predictions = evaluated.read(paths.evaluation("zfnet"))
    known = Truth(paths.INDEX, "val", settings.betons.resize, crop)
    objects, shown = sample.to_hide(predictions, known, chosen)
    wanted = set(objects[: chosen.images])
    network = weights.load(paths.weights("zfnet"), device())
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    coarse, fine = (occlusion.Grid.scaled(chosen.size, step, crop) for step in (chosen.stride, chosen.shown_stride))
    fill = inputs.grey(chosen.grey)
    rows: list[dict[str, Any]] = []
    drawn: dict[int, tuple[Batch, occlusion.Hidden]] = {}
    with Batches(paths.beton("val"), batch=BATCH, crop=crop, crops="centre") as batches:
        classes = batches.classes
        for batch in tqdm(batches.epoch(), total=len(batches), desc="occlusion", leave=False, disable=None):
            for place, image in enumerate(batch.ids.tolist()):
                one, label = batch.one(place), int(batch.labels[place])
                if image in shown:
                    drawn[image] = (one, occlusion.hide(network, inputs(one)[0], fill, label, fine))
                mask = known.object(image) if image in wanted else None
                if mask is not None:
                    hidden = occlusion.hide(network, inputs(one)[0], fill, label, coarse)
                    energy = occlusion.energy(network, inputs(one)[0], hidden, settings.deconvnet)
                    found = occlusion.truth(hidden, energy, mask, coarse)
                    rows += [{"id": image, "class": classes[label], **found}] if found else []
        strongest = pd.read_parquet(paths.STRONGEST)
        units = pd.concat([occlusion.units(network, image, drawn[image][1], strongest, OTHERS) for image in shown])
        crops = projections.gather(batches, set(units["id"].tolist()))
    [projected] = projections.project(network, crops, units, inputs, settings.deconvnet).values()
    images = pd.DataFrame(rows)
    for name, table in (("truth", images), ("scores", occlusion.scores(images))):
        with stage.whole(paths.OCCLUSION / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    positions = pd.concat([occlusion.table(image, drawn[image][1], fine) for image in shown])
    with stage.whole(paths.OCCLUSION / "shown.parquet") as temporary:
        positions.to_parquet(temporary, index=False)
    arrays = {
        "images": np.stack([drawn[image][0].images[0].numpy() for image in shown]),
        "masks": np.stack([known.mask(image) for image in shown]).astype(np.uint8),
        "projections": projected.projections,
        "patches": projected.patches,
        "boxes": projected.rows[["x0", "y0", "x1", "y1"]].to_numpy(np.int64).reshape(len(shown), -1, 4),
    }
    with stage.whole(paths.OCCLUSION / "shown.safetensors") as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
    described = {
        "layer": network.architecture.convs[-1].layer,
        "grey": chosen.grey,
        "classes": classes,
        "grids": {
            name: {"size": grid.size, "stride": grid.stride} for name, grid in (("all", coarse), ("shown", fine))
        },
        "images": [occlusion.described(*drawn[image]) for image in shown],
    }
    with stage.whole(paths.OCCLUSION / "shown.json") as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n")


if __name__ == "__main__":
    stage.run(main)
