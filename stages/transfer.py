"""transfer SET: train classifiers on the features of a data set (sections 5.2 and 5.3, Tables 4 to 7, Fig. 9).

Reads harvest/SET.parquet and the set's index. Writes transfer/SET/accuracy.csv, a row for each classifier and fold, or
for VOC transfer/SET/precision.csv, a row for each class. Costs half a minute for the embedded sets.
"""

from zfpipe import params, paths, sections, stage, store
from zfpipe.probes import transfer


def main() -> None:
    settings = params.load()
    name = stage.argument("a set", sections.TARGETS)
    target, folder = getattr(settings.targets, name), paths.target(name)
    beton, index = folder / "images.beton", folder / "index.parquet"
    found = transfer.run(name, paths.harvest(name), beton, index, target, settings.transfer)
    store.save_all(paths.TRANSFER / name, found)


if __name__ == "__main__":
    stage.run(main)
