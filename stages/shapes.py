"""shapes: measure the sizes of the layers of zfnet, or of the network that `model.source` names (Fig. 3).

Reads the validation beton's sidecar for the number of classes, and pretrained/model. Writes
shapes/zfnet.json. Costs seconds.
"""

from zfpipe import params, paths, stage, store
from zfpipe.beton.sidecar import read_sidecar
from zfpipe.network.architecture import variant
from zfpipe.probes import shapes


def main() -> None:
    settings = params.load()
    classes = len(read_sidecar(paths.beton("val")).classes)
    found = shapes.run(variant(settings, "zfnet"), settings.crops.size, classes, paths.pretrained("model"))
    store.save(paths.SHAPES / "zfnet.json", found)


if __name__ == "__main__":
    stage.run(main)
