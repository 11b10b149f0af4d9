"""filters: layers 1 and 2 of three networks (Fig. 6): ours without and with renormalisation, and AlexNet's.

Reads their weights, those of the runs that differ from them in the seed alone, and the validation beton; writes
filters/filters.safetensors and filters.json, the latter with numbers of untrained networks too. Costs some seconds.
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
