"""What a claim's statistic is taken from: the files of this run, and what of its parameters matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zfpipe import unavailable
from zfpipe.params import Run, Targets
from zfpipe.report.claims.verdicts import Unmeasurable


@dataclass(frozen=True)
class Given:
    """`runs`, `ensembles` and `targets` of params.yaml; `elsewhere`: zfnet's layers were trained there."""

    runs: Mapping[str, Run]
    ensembles: Mapping[str, Sequence[str]]
    targets: Targets
    elsewhere: bool

    def needs(self, *runs: str) -> None:
        """Refuses a claim about runs that there are none of, or about Fig. 3's network where another is looked at."""
        missing = [run for run in runs if run not in self.runs]
        if missing:
            raise Unmeasurable(f"params.yaml has no run {', '.join(missing)}")
        if self.elsewhere and any(self.runs[run].base == "model" for run in runs):
            raise Unmeasurable(
                "it is about the network of Fig. 3, and this one's layers were trained elsewhere (model.source)"
            )


def available(folder: Path) -> Path:
    """A stage's folder, unless it says that its results can't be had."""
    reason = unavailable.reason(folder)
    if reason is not None:
        raise Unmeasurable(reason)
    return folder
