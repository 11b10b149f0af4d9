"""train RUN: trains one network (section 3).

Reads the betons and their mean; writes models/RUN/weights.safetensors, models/RUN/history.csv and, after the epochs
that `runs` asks for, models/RUN/snapshots/. Costs one or two minutes on two cores with the default parameters. Killed,
it goes on after its last finished epoch. Of a network trained elsewhere (pretrained/) it trains a new softmax, or
nothing where the classes are as many as the network's own. ZFPIPE_PROCESSES trains it in several processes.
"""

import hashlib
import shutil

import pandas as pd
import torch

from zfpipe import params, paths, stage
from zfpipe.betons.inputs import MeanSubtraction
from zfpipe.betons.reader import Batches
from zfpipe.betons.sidecar import verify
from zfpipe.convnet import weights
from zfpipe.convnet.network import ConvNet, initialise, with_new_softmax
from zfpipe.device import device
from zfpipe.params import Params
from zfpipe.training import distributed
from zfpipe.training.loop import HISTORY, Trainer
from zfpipe.training.resume import ResumeState, source_hash


def main() -> None:
    settings = params.load()
    run = stage.argument("a run", settings.runs)
    model, seed, crop = settings.network(run), settings.runs[run].seed, settings.crops.size
    sidecars = {split: verify(paths.beton(split)) for split in ("train", "val")}
    network = start(settings, run, len(sidecars["train"].classes))
    snapshots, training, radius = settings.runs[run].snapshots, settings.training, model.renorm_radius
    if model.trained_elsewhere:
        snapshots, radius = (), None
        if not any(weight.requires_grad for weight in network.parameters()):
            training = training.model_copy(update={"epochs": 0})
    inputs = MeanSubtraction.read(paths.MEAN, crop, device(), network.input_mean)
    trainer = Trainer(network, inputs, training, radius, seed, inputs.device)
    determines = {
        "start": hashlib.sha256(paths.pretrained(settings.runs[run].base).read_bytes()).hexdigest(),
        "model": model.model_dump(),
        "training": settings.training.model_dump(),
        "crop": crop,
        "seed": seed,
        "snapshots": snapshots,
        "betons": [sidecar.sha256 for sidecar in sidecars.values()],
        "code": source_hash("betons", "convnet", "training"),
        "torch": torch.__version__,
        "device": inputs.device.type,
    }
    resume = ResumeState(paths.RESUME, determines)
    batch, part = settings.training.batch, distributed.part()
    train_beton, val_beton = paths.beton("train"), paths.beton("val")
    with (
        Batches(train_beton, batch=batch, crop=crop, crops="one of ten", shuffle=True, seed=seed, part=part) as train,
        Batches(val_beton, batch=batch, crop=crop, crops="centre", part=part) as val,
    ):
        history = trainer.fit(train, val, resume, snapshots)
    if not distributed.first():
        return
    weights.save(network, paths.weights(run))
    with stage.whole(paths.history(run)) as temporary:
        pd.DataFrame(history, columns=HISTORY).astype({"epoch": int}).to_csv(
            temporary, index=False, float_format="%.6g"
        )
    resume.snapshots.mkdir(parents=True, exist_ok=True)
    shutil.copytree(resume.snapshots, paths.snapshots(run), dirs_exist_ok=True)
    resume.remove()


def start(settings: Params, run: str, classes: int) -> ConvNet:
    """The network before training: random weights, or what was trained elsewhere under a new softmax."""
    model, entry = settings.network(run), settings.runs[run]
    if model.trained_elsewhere:
        network = weights.load(paths.pretrained(entry.base), device())
        return with_new_softmax(network, classes, model.init.std, entry.seed)
    network = weights.build(model, settings.crops.size, classes)
    initialise(network, model.init.scheme, model.init.std, entry.seed, model.init.first)
    return network


if __name__ == "__main__":
    distributed.run(main)
