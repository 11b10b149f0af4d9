"""report: one page with every figure and table, the published numbers beside ours, and how each was made.

Reads reports/figures/, reports/tables/, metrics/, models/RUN/history.csv, the betons' descriptions and lists of
rejected images, projections/, principle/, shapes/, evolution/, features/, filters/, invariance/, occlusion/,
attribution/, correspondence/, transfer/ and comparisons/; writes reports/index.html. Costs a second.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report import methods, page


def main() -> None:
    store.save(paths.PAGE, page.render(methods.of(params.load())))


if __name__ == "__main__":
    stage.run(main)
