"""Run every case that needs no GPU and no images (`make bench`); print the tables and write benchmarks.csv.

`python -m benchmarks [CASE...] [--full]`. Each case runs in its own process, so that no case inherits the threads,
memory or compiled code of another. A case fails, without measuring, if its ways give different results. Exit with
status 1 if a case failed.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

CASES = (
    *("loader", "preprocessing", "drawing", "training", "normalisation", "deconvnet", "occlusion", "activations"),
    *("query", "overlap", "start", "microscope", "transfer"),
)
TABLE = Path("benchmarks.csv")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"by default {', '.join(CASES)}")
    parser.add_argument(
        "--full", action="store_true", help="at the sizes of docs/results/speed.md: half an hour or more"
    )
    given = parser.parse_args()
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    TABLE.unlink(missing_ok=True)
    environment = os.environ | {"ZFPIPE_BENCHMARKS": str(TABLE.absolute())}
    failed = []
    for case in given.cases or CASES:
        start = perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{case}", *(["--full"] if given.full else [])]
        if subprocess.run(command, env=environment, check=False).returncode:
            failed.append(case)
        print(f"{case}: {perf_counter() - start:.0f} s in total\n", flush=True)
    if failed:
        sys.exit(f"benchmarks: failed: {', '.join(failed)}")
    print(f"Table: {TABLE.absolute()}")


if __name__ == "__main__":
    main()
