"""pretrained: the convnet that `model.source` names, with its weights, as zfpipe's own kind of network (section 5.2).

Reads the file `model.weights`; writes pretrained/model.safetensors and pretrained/alexnet.safetensors, empty for a base
that has no source. Costs seconds.
"""

from zfpipe import params, paths, stage


def main() -> None:
    settings = params.load()
    for base in ("model", "alexnet"):
        with stage.whole(paths.pretrained(base)) as temporary:
            if base == "model" and settings.model.source is not None:
                from zfpipe.convnet import imported, weights  # torch takes seconds, and most runs have no source

                network = imported.read(settings.model, settings.crops.size)
                temporary.write_bytes(weights.serialised(network))
                stage.log(f"{settings.model.source}: {len(network.architecture.convs)} convolution layers")
            else:
                temporary.touch()


if __name__ == "__main__":
    stage.run(main)
