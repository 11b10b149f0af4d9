"""pretrained: convert the weights of the convnet that `model.source` names, for every probe (section 5.2).

Reads the file `model.weights` in weights/. Writes for each base pretrained/BASE/start.json, which says where training
starts from and, if there is a source, pretrained/BASE/weights.safetensors. Costs seconds.
"""

from zfpipe import params, paths, stage, store


def main() -> None:
    settings = params.load()
    for base in ("model", "alexnet"):
        start = {"start.json": {"source": None}}
        if base == "model" and settings.model.origin:
            from zfpipe.foreign import imported  # torch takes seconds, and most runs have no source

            start = imported.run(settings.model, settings.crops.size, store.load(paths.watched("model")), stage.log)
        store.save_all(paths.pretrained(base), start)


if __name__ == "__main__":
    stage.run(main)
