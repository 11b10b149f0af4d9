"""ensembles: compute ten-crop errors of several networks' averaged probabilities (section 5.1, Table 2).

Reads evaluations/. Writes metrics/ensembles.json, an entry for each of params.yaml's `ensembles`. The gain is over
the single members, with an interval over the images. Costs a second.
"""

from zfpipe import params, paths, stage, store
from zfpipe.evaluation import predictions
from zfpipe.probes import ensembles


def main() -> None:
    found = ensembles.run(params.load().ensembles, lambda run: predictions.read(paths.evaluation(run)), stage.log)
    store.save(paths.ENSEMBLES, found)


if __name__ == "__main__":
    stage.run(main)
