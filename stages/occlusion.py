"""occlusion: hide places of images, and test whether the change tells where the object is (Fig. 7, section 4.2).

Reads zfnet's weights, its evaluation and strongest activations, the validation beton and the index's masks and boxes.
Writes occlusion/: truth.csv (every image, with baselines from other images' objects, the sum of all projections and
an untrained network) and scores.csv; for the images to show, shown.parquet (every position), shown.json and
shown.safetensors. Costs a minute on two cores with the default parameters.
ZFPIPE_PROCESSES shares the images among several processes.
"""

from zfpipe import params, paths, store
from zfpipe.evaluation import predictions
from zfpipe.probes import occlusion
from zfpipe.processes import distributed
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    predicted = predictions.read(paths.evaluation("zfnet"))
    strongest = store.load(paths.STRONGEST)
    found = occlusion.run(Subject.open(settings), predicted, strongest, settings.occlusion, settings.deconvnet)
    if found is not None:
        store.save_all(paths.OCCLUSION, found)


if __name__ == "__main__":
    distributed.run(main)
