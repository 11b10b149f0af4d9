"""attribution: later methods that say where the network looks, against the truth (beside Fig. 7; not in the paper).

Reads zfnet's weights, its evaluation, the validation beton and the index's masks and boxes; writes attribution/:
scores.csv, and of the images of Fig. 7 shown.safetensors and shown.json, or unavailable.txt. Costs half a
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
