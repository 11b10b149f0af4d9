"""curves: join loss and error of all networks at each epoch for `dvc plots`.

Reads models/RUN/history.csv of every run. Writes curves/history.csv. Costs a second.
"""

from zfpipe import params, paths, stage, store
from zfpipe.probes import curves


def main() -> None:
    runs = params.load().runs
    store.save(paths.CURVES, curves.table({run: store.load(paths.history(run)) for run in runs}, runs))


if __name__ == "__main__":
    stage.run(main)
