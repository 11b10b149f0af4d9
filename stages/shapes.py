"""shapes: the layers of the network under the microscope, measured on the built network (Fig. 3).

Reads the validation beton's sidecar for the number of classes, and pretrained/model.safetensors; writes
shapes/zfnet.json. Costs seconds.
"""

import json

import torch

from zfpipe import params, paths, stage
from zfpipe.betons.sidecar import read_sidecar
from zfpipe.convnet import weights
from zfpipe.convnet.network import with_new_softmax
from zfpipe.probes import shapes


def main() -> None:
    settings = params.load()
    classes = len(read_sidecar(paths.beton("val")).classes)
    model = settings.network("zfnet")
    if model.trained_elsewhere:
        network = with_new_softmax(weights.load(paths.pretrained("model"), torch.device("cpu")), classes, 0.0, 0)
    else:
        network = weights.build(model, settings.crops.size, classes)
    with stage.whole(paths.SHAPES / "zfnet.json") as temporary:
        temporary.write_text(json.dumps(shapes.measure(network), indent=2) + "\n")


if __name__ == "__main__":
    stage.run(main)
