"""scratch SET: the network of Fig. 3 trained on a set alone, from random weights (section 5.2, Tables 4 and 5).

Reads data/targets/SET/images.beton and the mean; writes transfer/SET/scratch.csv, a row for each number of training
images and fold; none where the network was trained elsewhere (model.source). Costs minutes for the embedded sets.
Killed, it goes on after the last finished epoch.
"""

import pandas as pd
import torch

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.sidecar import verify
from zfpipe.device import device
from zfpipe.probes import scratch, transfer
from zfpipe.training.resume import ResumeState, source_hash

SETS = ("caltech101", "caltech256")
COLUMNS = ("per_class", "fold", "accuracy", "test_images")


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", SETS)
    crop, beton = settings.crops.size, paths.target(name) / "images.beton"
    sidecar = verify(beton)
    inputs = MeanSubtraction.read(paths.MEAN, crop, device())
    target, model = getattr(settings.targets, name), settings.model
    changes = {"epochs": settings.transfer.scratch_epochs, "batch": settings.transfer.scratch_batch}
    training = settings.training.model_copy(update=changes)
    determines = {
        "model": model.model_dump(),
        "training": training.model_dump(),
        "transfer": settings.transfer.model_dump(),
        "crop": crop,
        "beton": sidecar.sha256,
        "code": source_hash("betons", "convnet", "training"),
        "torch": torch.__version__,
        "device": inputs.device.type,
    }
    labels = scratch.labels(beton, crop)
    rows, states = [], []
    several = 0 if model.trained_elsewhere else settings.transfer.scratch_folds
    for number, one in enumerate(transfer.folds(labels, target, settings.transfer, several)):
        for count in target.per_class:
            images = one.train[count]
            resume = ResumeState(paths.RESUME, {**determines, "per_class": count, "fold": number})
            found = scratch.train(beton, (images, one.test), inputs, model, training, number, resume)
            stage.log(f"{count} images per class, fold {number + 1}: accuracy {found:.1%}")
            rows.append({"per_class": count, "fold": number, "accuracy": found, "test_images": len(one.test)})
            states.append(resume)
    with stage.whole(paths.TRANSFER / name / "scratch.csv") as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False, float_format="%.6g")
    for resume in states:
        resume.remove()


if __name__ == "__main__":
    stage.run(main)
