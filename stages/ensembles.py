"""ensembles: ten-crop errors of several networks together (section 5.1, Table 2).

Reads evaluations/; writes metrics/ensembles.json, an entry for each of params.yaml's `ensembles`; its gain is over
its members on their own, with an interval over the images. Costs a second.
"""

import json

from zfpipe import params, paths, stage
from zfpipe.evaluation import ensemble
from zfpipe.evaluation import predictions as evaluated
from zfpipe.probes.intervals import bootstrap


def main() -> None:
    settings = params.load()
    found = {}
    for name, runs in settings.ensembles.items():
        members = [evaluated.read(paths.evaluation(run)) for run in runs]
        together = ensemble.mean(members)
        gain, low, high = bootstrap(ensemble.gain(members))
        found[name] = {
            "runs": list(runs),
            "val_top1": together.top_error(1),
            "val_top5": together.top_error(5),
            "gain_top1": gain,
            "gain_top1_low": low,
            "gain_top1_high": high,
            "val_images": len(together.ids),
            "classes": together.probabilities.shape[1],
        }
        stage.log(f"{name}: validation error {found[name]['val_top1']:.1%} top-1, {found[name]['val_top5']:.1%} top-5")
    with stage.whole(paths.ENSEMBLES) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    stage.run(main)
