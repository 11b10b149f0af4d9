"""claims: what the paper claims in words, each with a number, its interval and a verdict.

Reads filters/, features/, evolution/, invariance/, occlusion/, correspondence/, transfer/ and metrics/; writes
reports/claims.json, reports/claims.md and metrics.json. Costs seconds, all of it bootstraps.
"""

import json

from zfpipe import params, paths, stage
from zfpipe.report.claims import ledger, written
from zfpipe.report.claims.given import Given


def main() -> None:
    settings = params.load()
    elsewhere = settings.network("zfnet").trained_elsewhere
    lines = ledger.build(Given(settings.runs, settings.ensembles, settings.targets, elsewhere))
    texts = {
        paths.CLAIMS: written.text(lines),
        paths.CLAIMS.with_suffix(".md"): written.markdown(lines),
        paths.VERDICTS: json.dumps(written.metrics(lines), indent=2) + "\n",
    }
    for path, text in texts.items():
        with stage.whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    stage.log(written.summary(lines))


if __name__ == "__main__":
    stage.run(main)
