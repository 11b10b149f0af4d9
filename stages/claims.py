"""claims: what the paper claims in words, each with a number, its interval and a verdict.

Reads filters/, features/, evolution/, invariance/, occlusion/, correspondence/, transfer/ and metrics/; writes
reports/claims.json, reports/claims.md and metrics.json. Costs seconds, all of it bootstraps.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report.claims import ledger, written
from zfpipe.report.claims.given import Given


def main() -> None:
    settings = params.load()
    given = Given(settings.runs, settings.ensembles, settings.targets, settings.trained_elsewhere("zfnet"))
    lines = ledger.build(given)
    store.save(paths.CLAIMS, written.text(lines))
    store.save(paths.CLAIMS.with_suffix(".md"), written.markdown(lines))
    store.save(paths.VERDICTS, written.metrics(lines))
    stage.log(written.summary(lines))


if __name__ == "__main__":
    stage.run(main)
