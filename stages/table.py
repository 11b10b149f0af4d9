"""table N: write one table of the paper, with published numbers next to ours.

Reads the folder that its module in zfpipe/report/artefacts/ names. Writes reports/tables/tableN.csv, .md and .tex.
Costs a second.
"""

from zfpipe import params, paths, stage
from zfpipe.report.engine import artefact, tables


def main() -> None:
    module = artefact.module(f"table{stage.argument('a table', artefact.numbers('table'))}")
    tables.write(tables.fill(module, params.load().own_runs), module.ARTEFACT, paths.TABLES)


if __name__ == "__main__":
    stage.run(main)
