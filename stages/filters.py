"""filters: layers 1 and 2 of three networks (Fig. 6): ours without and with renormalisation, and AlexNet's.

Reads their weights and the validation beton; writes filters/filters.safetensors and filters.json. Costs a few
seconds.
"""

from typing import Any

from zfpipe import params, paths, stage, unavailable
from zfpipe.network.architecture import variant
from zfpipe.probes import filters
from zfpipe.subject.subject import Subject

RUNS = ("zfnet-unclipped", "zfnet", "alexnet")


def measured() -> dict[str, Any]:
    settings = params.load()
    subjects = {run: Subject.open(settings, trained=paths.weights(run)) for run in RUNS}
    return filters.run(subjects, {run: variant(settings, run) for run in RUNS}, settings.deconvnet)


def main() -> None:
    unavailable.save(paths.FILTERS, measured)


if __name__ == "__main__":
    stage.run(main)
