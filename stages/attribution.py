"""attribution: score later attribution methods against object masks (compare Fig. 7; not in the paper).

Reads zfnet's weights, its evaluation, the validation beton and the index's masks and boxes. Writes attribution/:
scores.csv, and shown.safetensors and shown.json for the images of Fig. 7, or else unavailable.txt. Costs half a
minute on two cores with the default parameters.
"""

from zfpipe import params, paths, stage, unavailable
from zfpipe.evaluation import predictions
from zfpipe.probes import attribution
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    predicted = predictions.read(paths.evaluation("zfnet"))
    subject, own = Subject.open(settings), settings.own(attribution.Settings)
    unavailable.save(
        paths.ATTRIBUTION, lambda: attribution.run(subject, predicted, settings.occlusion, own, settings.deconvnet)
    )


if __name__ == "__main__":
    stage.run(main)
