"""comparisons: what section 5 says of its tables in words, as differences between their rows, with intervals.

Reads metrics/ and transfer/; writes comparisons/section5.csv. Costs a second.
"""

from zfpipe import params, paths, stage, store
from zfpipe.report.tables import comparisons


def main() -> None:
    store.save(paths.COMPARISONS, comparisons.build(paths.METRICS, paths.TRANSFER, params.load().runs))


if __name__ == "__main__":
    stage.run(main)
