"""transfer SET: classifiers on the features of a set (sections 5.2 and 5.3, Tables 4 to 7, Fig. 9).

Reads harvest/SET.parquet and the set's index; writes transfer/SET/accuracy.csv, a row for each classifier and fold, or
for VOC transfer/SET/precision.csv, a row for each class. Costs half a minute for the embedded sets.
"""

from zfpipe import params, paths, stage
from zfpipe.betons.sidecar import read_sidecar
from zfpipe.pictures import targets
from zfpipe.pictures.index import read_index
from zfpipe.probes import transfer


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", targets.NAMES)
    features = paths.harvest(name)
    if name == "voc2012":
        index = read_index(paths.target(name) / "index.parquet", also=["labels"]).set_index("id")
        classes = read_sidecar(paths.target(name) / "images.beton").classes
        table = transfer.precisions(features, index, classes, settings.transfer.seed)
        path = paths.TRANSFER / name / "precision.csv"
    else:
        table = transfer.accuracies(features, getattr(settings.targets, name), settings.transfer)
        path = paths.TRANSFER / name / "accuracy.csv"
    with stage.whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    stage.run(main)
