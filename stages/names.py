"""names: find the part or class that each feature map detects, by network dissection (not in the paper).

Reads zfnet's weights, the validation beton and the index's masks, boxes and parts. Writes names/: maps.csv (a row for
each map) and untrained.csv (the same before training), or else unavailable.txt. Costs half a minute.
"""

from zfpipe import params, paths, stage, unavailable
from zfpipe.probes import names
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    subject, own = Subject.open(settings), settings.own(names.Settings)
    unavailable.save(paths.NAMES, lambda: names.run(subject, own))


if __name__ == "__main__":
    stage.run(main)
