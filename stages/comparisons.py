"""comparisons: what section 5 says of its tables in words, as differences between their rows, with intervals.

Reads metrics/ and transfer/; writes comparisons/section5.csv. Costs a second.
"""

from zfpipe import params, paths, stage
from zfpipe.report.tables import comparisons


def main() -> None:
    table = comparisons.build(paths.METRICS, paths.TRANSFER, params.load().runs)
    with stage.whole(paths.COMPARISONS) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    stage.run(main)
