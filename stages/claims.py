"""claims: judge each of the paper's claims in words by a number with an interval.

Reads the same files as the artefacts. Writes reports/claims.json, reports/claims.md, reports/measures.csv (every
number behind the claims, and the differences between table rows) and metrics.json. Costs seconds of bootstraps.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report import ledger
from zfpipe.report.engine.artefact import modules
from zfpipe.report.engine.claims import Given


def main() -> None:
    settings = params.load()
    metrics = {run: store.load(paths.metrics(run)) for run in settings.runs}
    given = Given(settings.runs, settings.ensembles, settings.targets, settings.trained_elsewhere("zfnet"), metrics)
    entries, measures = ledger.build(modules(), given)
    store.save(paths.CLAIMS, entries)
    store.save(paths.CLAIMS.with_suffix(".md"), ledger.markdown(entries))
    store.save(paths.MEASURES, measures)
    store.save(paths.VERDICTS, ledger.metrics(entries))
    stage.log(ledger.summary(entries))


if __name__ == "__main__":
    stage.run(main)
