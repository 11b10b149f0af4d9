"""report: one page with every figure and table, the published numbers beside ours, and how each was made.

Reads what the stages before it wrote, all but the weights' values and the betons; writes reports/index.html. Costs
seconds.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report import page


def main() -> None:
    store.save(paths.PAGE, page.render(params.load()))


if __name__ == "__main__":
    stage.run(main)
