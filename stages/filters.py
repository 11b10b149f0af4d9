"""filters: measure layers 1 and 2 of three networks (Fig. 6): zfnet without and with renormalisation, and AlexNet.

Reads their weights, the weights of their runs with other seeds, and the validation beton. Writes
filters/filters.safetensors and filters.json, which also has numbers of untrained networks. Costs some seconds.
"""

from typing import Any

from zfpipe import params, paths, stage, unavailable
from zfpipe.network.architecture import variant
from zfpipe.probes import filters
from zfpipe.subject.subject import Subject


def measured() -> dict[str, Any]:
    settings = params.load()
    runs = filters.measured(settings.runs)
    subjects = ((run, Subject.open(settings, run=run)) for run in runs)
    return filters.run(subjects, {run: variant(settings, run) for run in runs}, settings.deconvnet)


def main() -> None:
    unavailable.save(paths.FILTERS, measured)


if __name__ == "__main__":
    stage.run(main)
