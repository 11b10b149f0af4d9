"""train RUN: trains one network (section 3).

Reads the betons and their mean; writes models/RUN/weights.safetensors, models/RUN/history.csv and, after the epochs
that `runs` asks for, models/RUN/snapshots/. Costs one or two minutes on two cores with the default parameters. Killed,
it goes on after its last finished epoch.
"""

import shutil

import pandas as pd
import torch

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.betons.sidecar import verify
from zfpipe.convnet import network as networks
from zfpipe.convnet import weights
from zfpipe.device import device
from zfpipe.training.loop import Trainer
from zfpipe.training.resume import ResumeState, source_hash


def main() -> None:
    settings = params.load()
    run = stage.argument("a run", settings.runs)
    model, seed, crop = settings.network(run), settings.runs[run].seed, settings.crops.size
    sidecars = {split: verify(paths.beton(split)) for split in ("train", "val")}
    network = weights.build(model, crop, len(sidecars["train"].classes))
    networks.initialise(network, model.init.scheme, model.init.std, seed)
    inputs = MeanSubtraction.read(paths.MEAN, crop, device())
    trainer = Trainer(network, inputs, settings.training, model.renorm_radius, seed, inputs.device)
    determines = {
        "model": model.model_dump(),
        "training": settings.training.model_dump(),
        "crop": crop,
        "seed": seed,
        "snapshots": settings.runs[run].snapshots,
        "betons": [sidecar.sha256 for sidecar in sidecars.values()],
        "code": source_hash("betons", "convnet", "training"),
        "torch": torch.__version__,
        "device": inputs.device.type,
    }
    resume = ResumeState(paths.RESUME, determines)
    batch = settings.training.batch
    with (
        Batches(paths.beton("train"), batch=batch, crop=crop, crops="one of ten", shuffle=True, seed=seed) as train,
        Batches(paths.beton("val"), batch=batch, crop=crop, crops="centre") as val,
    ):
        history = trainer.fit(train, val, resume, settings.runs[run].snapshots)
    weights.save(network, paths.weights(run))
    with stage.whole(paths.history(run)) as temporary:
        pd.DataFrame(history).astype({"epoch": int}).to_csv(temporary, index=False, float_format="%.6g")
    resume.snapshots.mkdir(parents=True, exist_ok=True)
    shutil.copytree(resume.snapshots, paths.snapshots(run), dirs_exist_ok=True)
    resume.remove()


if __name__ == "__main__":
    stage.run(main)
