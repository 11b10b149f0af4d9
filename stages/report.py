"""report: write one page with every figure and table, published numbers next to ours, and how each was made.

Reads the outputs of all earlier stages except the weights' values and the betons. Writes reports/index.html. Costs
seconds.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report import page


def main() -> None:
    store.save(paths.PAGE, page.render(params.load()))


if __name__ == "__main__":
    stage.run(main)
