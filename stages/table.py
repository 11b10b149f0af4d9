"""table N: one table of the paper, published numbers beside ours.

Reads correspondence/ (table 1), metrics/RUN.json of every run in params.yaml (2 and 3) or transfer/ (4 to 7); writes
reports/tables/tableN.csv, .md and .tex. Costs a second.
"""

import importlib

from zfpipe import params, paths, stage
from zfpipe.report.numbers import formats

NUMBERS = ("1", "2", "3", "4", "5", "6", "7")


def main() -> None:
    settings = params.load()
    number = stage.argument("a table", NUMBERS)
    module = importlib.import_module(f"zfpipe.report.tables.table{number}")
    formats.write(module.build(module.FOLDER, settings.runs), paths.table(number))


if __name__ == "__main__":
    stage.run(main)
